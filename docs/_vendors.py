"""A page for each dialect, printed from its own data: `Dialect.notes` and what stands beside it."""

from __future__ import annotations

import json
from pathlib import Path

from tokenwire import Dialect, get_dialect
from tokenwire.dialects import Notes, available_profiles
from tokenwire.dialects.openai.profiles import PROFILES, Profile

DOCS = Path(__file__).parent
JUDGED = DOCS / "_judged.json"  # written by: python -m tools.judge FOLDER --counts FILE


def pages(names: list[str]) -> dict[Path, str]:
    """The pages of these dialects, and the index of them."""
    judged: dict[str, dict[str, int]] = json.loads(JUDGED.read_text("utf-8"))
    dialects = [dialect for name in names if (dialect := get_dialect(name)).notes is not None]
    files = {
        DOCS / "vendors" / f"{one.name}.md": page(one, judged.get(one.name, {})) for one in dialects
    }
    files[DOCS / "vendors" / "index.md"] = index(dialects, judged)
    return files


def index(dialects: list[Dialect], judged: dict[str, dict[str, int]]) -> str:
    rows = "".join(
        f"| [`{one.name}`]({one.name}.md) | {one.notes.vendor} | {one.format} |"
        f" {sum(judged.get(one.name, {}).values()) or '-'} |\n"
        for one in dialects
        if one.notes is not None
    )
    links = "\n".join(one.name for one in dialects)
    return (
        "# Services and protocols\n\n"
        "One page for each dialect, printed from what the dialect itself knows. Judged on: recorded"
        " streams of real services, each compared with what the vendor's own SDK makes of it, in"
        " some seventy cuts.\n\n"
        f"| dialect | whose | format | recordings judged on |\n| --- | --- | --- | ---: |\n{rows}\n"
        f"```{{toctree}}\n:hidden:\n:maxdepth: 1\n\n{links}\n```\n"
    )


def page(dialect: Dialect, judged: dict[str, int]) -> str:
    notes = dialect.notes
    assert notes is not None
    parts = [
        f"# `{dialect.name}`\n\n{cell(notes.vendor)}\n",
        facts(dialect, notes),
        section("What surprises in it", tuple(map(plain, notes.quirks))),
        section(
            "Not confirmed by a recording or by source code", tuple(map(plain, notes.doubtful))
        ),
        section("Sources", tuple(linked(source) for source in notes.sources)),
        section("Judged on", recordings(judged)),
    ]
    if dialect.name == "openai-chat":
        parts.append(profiles())
    return "\n".join(part for part in parts if part)


def facts(dialect: Dialect, notes: Notes) -> str:
    resumption = dialect.resumption
    rows = {
        "read with": f'`StreamParser("{dialect.name}")`',
        "asked for by": notes.request,
        "format": dialect.format,
        "content type": ", ".join(f"`{one}`" for one in dialect.media_types),
        "text": notes.text,
        "complete only with": dialect.terminator,
        "errors": notes.errors,
        "heartbeats": notes.heartbeats,
        "resume": notes.resume,
        "cursor": f"{resumption.kind}, {resumption.field}" if resumption else "none",
        "written by tokenwire too": "yes" if dialect.encoder else "no",
    }
    lines = [f"| {name} | {cell(value)} |" for name, value in rows.items() if value]
    return "\n".join(["| | |", "| --- | --- |", *lines, ""])


def cell(text: str) -> str:
    return plain(text).replace("|", "\\|").replace("\n", " ")


def plain(text: str) -> str:
    """Text that is not to be read as HTML."""
    return text.replace("<", "\\<")


def section(title: str, lines: tuple[str, ...]) -> str:
    return f"## {title}\n\n" + "".join(f"- {line}\n" for line in lines) if lines else ""


def linked(source: str) -> str:
    return f"<{source}>" if source.startswith("https://") and " " not in source else source


def recordings(judged: dict[str, int]) -> tuple[str, ...]:
    if not judged:
        return ("no recording: written by the documentation and by source code",)
    total = sum(judged.values())
    vendors = ", ".join(f"{vendor} {count}" for vendor, count in judged.items())
    return (f"{total} recorded stream{'s' if total > 1 else ''}: {vendors}",)


def profiles() -> str:
    """The services of the family, each with its habits."""
    head = [
        "## Services with habits of their own\n",
        "`openai-chat` reads all of these. Where you know the service, its profile says what the"
        ' bytes cannot: `StreamParser("openai-chat/groq")`.\n',
    ]
    ours = [profile(name, PROFILES[name.rpartition("/")[2]]) for name in available_profiles()]
    return "\n".join([*head, *ours])


def profile(name: str, one: Profile) -> str:
    told = [
        f"errors: {one.errors}",
        f"heartbeats: {one.heartbeats}",
        f"thinking: `{one.reasoning}`",
        *(["`[DONE]` alone proves the end"] if one.finish_optional else []),
        *one.quirks,
        *(f"not confirmed: {doubt}" for doubt in one.doubtful),
    ]
    return f"### {one.vendor}: `{name}`\n\n" + "".join(f"- {plain(line)}\n" for line in told)
