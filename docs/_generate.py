"""Print what the code knows into the pages: the state diagram and tables, between their markers.

    python docs/_generate.py            bring the pages up to date
    python docs/_generate.py --check    only say what is stale; exit code 1 if anything is

The tests do the same check, so that a page cannot tell another story than the code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from html import escape
from importlib.metadata import entry_points
from pathlib import Path
from typing import get_args

sys.path.insert(0, str(Path(__file__).parent))

from _vendors import cell, pages

from tokenwire import Event, available_dialects, available_profiles, events, get_dialect
from tokenwire.dialects import ENTRY_POINT_GROUP
from tokenwire.resume.request_styles import RequestStyle, always, never, request_style
from tokenwire.state import TRANSITIONS, Input, State, input_of

DOCS = Path(__file__).parent


# --- tables ---


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def state_table() -> str:
    rows = [
        [f"`{state}`", *(f"`{row[given]}`" if given in row else "-" for given in Input)]
        for state, row in TRANSITIONS.items()
    ]
    return table(["in state", *(f"`{given}`" for given in Input)], rows)


def input_table() -> str:
    said: dict[Input | None, list[str]] = {given: [] for given in Input}
    for name, event in sample_events().items():
        said.setdefault(input_of(event), []).append(f"`{name}`")
    said[Input.EOF].append("no event: the body ended")
    rows = [[f"`{given}`" if given else "none", ", ".join(names)] for given, names in said.items()]
    return table(["input", "what it is"], rows)


def sample_events() -> dict[str, Event]:
    """One event of each class; `Error` is two."""
    samples: dict[str, Event] = {}
    for kind in get_args(Event):
        arguments = {"text": "", "key": "", "kind": "", "attempt": 1, "delay": 0.0, "method": ""}
        wanted = {name: arguments[name] for name in kind.__struct_fields__ if name in arguments}
        if kind is events.Error:
            samples["Error(fatal=True)"] = kind(kind="vendor", message="")
            samples["Error(fatal=False)"] = kind(kind="vendor", message="", fatal=False)
        else:
            samples[kind.__name__] = kind(**wanted)
    return samples


def wire_table() -> str:
    rows: list[list[str]] = []
    for name in available_dialects():
        dialect = get_dialect(name)
        if (notes := dialect.notes) is not None:
            row = [dialect.format, notes.text, dialect.terminator, notes.errors, notes.heartbeats]
            rows.append([f"[`{name}`](vendors/{name}.md)", *map(cell, row)])
    head = ["dialect", "format", "text", "complete only with", "errors", "heartbeats"]
    return table(head, rows)


def dialect_table() -> str:
    rows: list[list[str]] = []
    for name in built_in_dialects():
        dialect = get_dialect(name)
        resumption = dialect.resumption
        resumed = f"{resumption.method}: {resumption.field}" if resumption else "no"
        rows.append([f"`{name}`", dialect.format, dialect.terminator, resumed])
    return table(["name", "format", "what proves an answer complete", "can be resumed"], rows)


def resume_table() -> str:
    """The dialects that can be resumed, and then those where a new request is all there is."""
    kept: list[list[str]] = []
    lost: list[list[str]] = []
    for name in built_in_dialects():
        dialect = get_dialect(name)
        offers = cell(dialect.notes.resume) if dialect.notes is not None else ""
        row = [f"[`{name}`](vendors/{name}.md)", offers]
        ways, costs = "`replay`", "a second answer"
        if (style := request_style(name)) is not None:
            ways += f", or `continuation` by {asked_by(style)}"
            costs += ", or the prompt again"
        if dialect.resumption is None:
            lost.append([*row, ways, costs])
        else:
            kept.append(
                [*row, f"`{dialect.resumption.method}`; else {ways}", f"nothing; else {costs}"]
            )
    return table(["service", "what it offers", "strategy", "what it costs"], [*kept, *lost])


def asked_by(style: RequestStyle) -> str:
    """How a session asks for the rest of an answer, over all requests of this style."""
    conditions: list[Callable[..., bool]] = []
    if style.turns:
        conditions.append(style.prefill_when if style.prefill is not None else never)
    if style.prompt:
        conditions.append(style.raw_when)
    if all(condition is always for condition in conditions):
        return "prefill"
    if all(condition is never for condition in conditions):
        return "instruction"
    return "either"


def prefill_list() -> str:
    named = [name for name in available_profiles() if asked_by(style_of(name)) == "prefill"]
    return ", ".join(f"`{name}`" for name in named) + "\n"


def style_of(name: str) -> RequestStyle:
    style = request_style(name)
    assert style is not None  # every profile has one
    return style


def built_in_dialects() -> list[str]:
    """The names without those of packages that happen to be installed beside tokenwire."""
    installed = {entry_point.name for entry_point in entry_points(group=ENTRY_POINT_GROUP)}
    return [name for name in available_dialects() if name not in installed]


# --- the diagram ---

# Where each state stands: column and row. The edges are the table's alone.
PLACES = {
    State.IDLE: (0.0, 0),
    State.OPEN: (1.0, 0),
    State.DONE: (2.0, 0),
    State.CLOSED: (3.0, 0),
    State.FAILED: (0.5, 1),
}
WIDTH, HEIGHT = 110, 42  # of a state
APART, BELOW = 200, 120  # from one state to the next
LEFT, TOP = 85, 130  # the middle of the first
COLOURS = {State.FAILED: "#fbdcd8", State.DONE: "#d9f0dc", State.CLOSED: "#d9f0dc"}


def state_diagram() -> str:
    """The table as a picture."""
    width, height = 2 * LEFT + 3 * APART, TOP + BELOW + HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" font-family="system-ui, sans-serif" font-size="13" role="img">',
        "<title>The states of one stream</title>",
        "<!-- Made by docs/_generate.py from tokenwire.state.TRANSITIONS. -->",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8"'
        ' markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="8" fill="#fff"/>',
    ]
    for begin, end, label in edges():
        path, x, y = route(begin, end)
        parts.append(f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#tip)"/>')
        parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="middle" fill="#222" stroke="#fff"'
            f' stroke-width="4" paint-order="stroke">{escape(label)}</text>'
        )
    for state in TRANSITIONS:
        x, y = middle(state)
        parts.append(
            f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}"'
            f' height="{HEIGHT}" rx="8" fill="{COLOURS.get(state, "#e4ecf7")}" stroke="#555"/>'
        )
        parts.append(
            f'<text x="{x:g}" y="{y + 5:g}" text-anchor="middle" font-weight="600"'
            f' fill="#222">{state}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def edges() -> Iterator[tuple[State, State, str]]:
    """From, to, and all inputs that lead there."""
    for begin, row in TRANSITIONS.items():
        for end in dict.fromkeys(row.values()):
            yield begin, end, ", ".join(given for given, to in row.items() if to is end)


def middle(state: State) -> tuple[float, float]:
    column, row = PLACES[state]
    return LEFT + column * APART, TOP + row * BELOW


def route(begin: State, end: State) -> tuple[str, float, float]:
    """An edge as an SVG path, and where its label stands."""
    (x, y), (to_x, to_y) = middle(begin), middle(end)
    top, bottom = y - HEIGHT / 2, y + HEIGHT / 2
    if begin is end and PLACES[begin][1]:
        side = x + WIDTH / 2
        return f"M{side:g} {y - 10:g}c40 -14 40 34 0 20", side + 48, y + 4
    if begin is end:
        return f"M{x - 38:g} {top:g}c-14 -38 42 -38 28 0", x - 24, top - 34
    if y == to_y and 0 < to_x - x <= APART:
        path = f"M{x + WIDTH / 2:g} {y:g}H{to_x - WIDTH / 2:g}"
        return path, (x + to_x) / 2, y - 8
    if y == to_y:  # over the heads of those between, or back below their feet
        start, turn = (top, -100) if to_x > x else (bottom, 100)
        x, to_x = x + 30, to_x + 30
        bend = f"{x:g} {start + turn:g} {to_x:g} {start + turn:g}"
        path = f"M{x:g} {start:g}C{bend} {to_x:g} {start:g}"
        return path, (x + to_x) / 2, start + turn * 0.75 - 6
    start, stop = (bottom, to_y - HEIGHT / 2) if to_y > y else (top, to_y + HEIGHT / 2)
    shift = 20 if x > to_x else -20
    path = f"M{x:g} {start:g}L{to_x + shift:g} {stop:g}"
    return path, (x + to_x + shift) / 2 + 2.5 * shift, (start + stop) / 2


def effects_table() -> str:
    """Which requests do something, by the dialects' own conditions."""
    rows = [
        [
            f"[`{name}`](vendors/{name}.md)",
            cell(" or ".join(" and ".join(f"`{one}`" for one in rule) for rule in effects)),
        ]
        for name in built_in_dialects()
        if (effects := get_dialect(name).effects)
    ]
    return table(["dialect", "requests whose JSON, or the path of whose URL, says"], rows)


# --- pages ---

SECTIONS = {
    "state.md": {"transitions": state_table, "inputs": input_table},
    "dialects.md": {"dialects": dialect_table},
    "wire.md": {"wires": wire_table},
    "resume.md": {"services": resume_table, "prefill": prefill_list},
    "when-not-to-retry.md": {"effects": effects_table},
}


def wanted() -> dict[Path, str]:
    """Each file that holds something printed, as it has to be."""
    files = {DOCS / "state.svg": state_diagram(), **pages(built_in_dialects())}
    for name, sections in SECTIONS.items():
        page = (DOCS / name).read_text("utf-8")
        for section, make in sections.items():
            page = fill(page, section, make(), name)
        files[DOCS / name] = page
    return files


def fill(page: str, section: str, text: str, name: str) -> str:
    begin, end = f"<!-- printed by docs/_generate.py: {section} -->\n", f"<!-- end: {section} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    page, found = pattern.subn(lambda _: f"{begin}\n{text}\n{end}", page)
    if found != 1:
        raise SystemExit(f"docs/{name} must hold the markers of {section!r} once")
    return page


def stale() -> list[str]:
    """The files that differ from what the code says."""
    return [
        path.name
        for path, text in wanted().items()
        if not path.exists() or path.read_text("utf-8") != text
    ]


def main() -> int:
    if "--check" in sys.argv[1:]:
        found = stale()
        if found:
            print(f"stale: {', '.join(found)}; run: python docs/_generate.py")
        return bool(found)
    for path, text in wanted().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
