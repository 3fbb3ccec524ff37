"""What each dialect sends to go on after a cursor: a request in, a request out."""

from __future__ import annotations

from itertools import product
from typing import Any

import msgspec
import pytest

from tokenwire import Resumption, available_dialects, get_dialect
from tokenwire.cursor import Cursor
from tokenwire.dialects import available_profiles
from tokenwire.request import Known, Request

KEY = ("Authorization", "Bearer sk-1")
ACCEPT = ("Accept", "text/event-stream")
JSON = ("Content-Type", "application/json")

RESUMABLE = [
    name
    for name in (*available_dialects(), *available_profiles())
    if get_dialect(name).resumption is not None
]


def resumption(dialect: str) -> Resumption:
    found = get_dialect(dialect).resumption
    assert found is not None
    return found


def post(url: str, body: Any = None, *headers: tuple[str, str]) -> Request:
    return Request("POST", url, (KEY, JSON, ACCEPT, *headers), msgspec.json.encode(body or {}))


def get(url: str, *headers: tuple[str, str]) -> Request:
    return Request("GET", url, (KEY, ACCEPT, *headers))


def reconnected(
    dialect: str,
    request: Request,
    value: str | int | None,
    id: str | None = None,
    **headers: str,
) -> Request | None:
    going = resumption(dialect)
    assert going.reconnect is not None
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return going.reconnect(request, Cursor(going.kind, value), Known(id, named))


# --- all of them ---


def test_which_can_be_resumed() -> None:
    said = {name: (get_dialect(name).resumption, resumption(name)) for name in RESUMABLE}
    assert {name: (one.method, one.kind) for name, (_, one) in said.items()} == {
        "event-stream": ("last_event_id", "id"),
        "gemini-interactions": ("cursor", "token"),
        "langgraph": ("last_event_id", "id"),
        "llamacpp": ("cursor", "bytes"),
        "mcp": ("last_event_id", "id"),
        "openai-chat/cloudflare": ("cursor", "events"),
        "openai-chat/llamacpp": ("cursor", "bytes"),
        "openai-responses": ("cursor", "sequence"),
        "positioned": ("cursor", "position"),
        "replicate": ("last_event_id", "id"),
        "sse": ("last_event_id", "id"),
        "workers-ai": ("cursor", "events"),
    }


def test_where_the_same_request_is_sent_again() -> None:
    """With a Last-Event-ID; the others cannot do without a function of their own."""
    same = [name for name in RESUMABLE if resumption(name).reconnect is None]
    assert same == ["event-stream", "replicate", "sse"]
    assert {resumption(name).method for name in same} == {"last_event_id"}
    assert [name for name in RESUMABLE if resumption(name).live] == ["event-stream"]


def test_where_all_of_it_can_be_asked_for_again() -> None:
    """By another process, whose decoder has seen nothing; the others' decoders need no memory."""
    assert {name: resumption(name).beginning for name in RESUMABLE} == {
        "event-stream": None,
        "gemini-interactions": "",
        "langgraph": "-1",
        "llamacpp": 0,
        "mcp": None,
        "openai-chat/cloudflare": 0,
        "openai-chat/llamacpp": 0,
        "openai-responses": 0,
        "positioned": None,
        "replicate": None,
        "sse": None,
        "workers-ai": 0,
    }


@pytest.mark.parametrize("name", ["a2a", "dify", "vercel-ui"])
def test_a_snapshot_is_no_way_to_go_on(name: str) -> None:
    dialect = get_dialect(name)
    assert dialect.resumption is None
    assert dialect.notes is not None
    assert dialect.notes.resume != "none", "what there is instead is said"


ODD = ["", "..", "a/../b", "\r\nX: y", "\x00", "\udc80", "é", "//[", "https://evil.example\\@x/"]
MADE = [
    post("https://a.example/v1/responses", {"stream": True, "background": True}),
    post("https://a.example/threads/t/runs/stream"),
    post("https://a.example/completion", None, ("X-Conversation-Id", "c")),
    post("https://a.example/ai-gateway/gateways/g/openai"),
    get("https://a.example"),
    Request("POST", "http://[::1]:80/%ff?%ff", (KEY,), b"\xff"),
]


@pytest.mark.parametrize("name", [name for name in RESUMABLE if resumption(name).reconnect])
def test_nothing_that_a_server_names_breaks_it(name: str) -> None:
    """Its ids, headers and cursors make a request to the same place, or none."""
    for odd, made in product(ODD, MADE):
        case = f"{odd!r} for {made.url}"
        headers = {"location": odd, "cf_aig_run_id": odd, "mcp_session_id": odd}
        for value in (1, "7"):
            going = reconnected(name, made, value, odd, **headers)
            if going is not None and KEY in going.headers:
                assert going.with_url("/").url == made.with_url("/").url, case
                assert "/../" not in going.url, case
        # There is nothing to go on from.
        assert reconnected(name, made, None, odd, **headers) is None, case


# --- by a cursor ---

RESPONSES = "https://api.openai.com/v1/responses"
AZURE = "https://me.openai.azure.com/openai/v1/responses{}?api-version=preview{}"
KEPT = {"stream": True, "background": True}


@pytest.mark.parametrize(
    ("request_", "value", "id", "going"),
    [
        (
            post(RESPONSES, KEPT),
            41,
            "resp_1",
            get(f"{RESPONSES}/resp_1?stream=true&starting_after=41"),
        ),
        (
            post(RESPONSES, KEPT),
            0,
            "resp_1",
            get(f"{RESPONSES}/resp_1?stream=true&starting_after=0"),
        ),
        (post(RESPONSES + "/", KEPT), 1, "r", get(f"{RESPONSES}/r?stream=true&starting_after=1")),
        (post(RESPONSES, KEPT), 1, "../a", get(f"{RESPONSES}/..%2Fa?stream=true&starting_after=1")),
        (
            post(AZURE.format("", ""), KEPT),
            7,
            "resp_1",
            get(AZURE.format("/resp_1", "&stream=true&starting_after=7")),
        ),
        (
            get(f"{RESPONSES}/resp_1?stream=true&starting_after=3"),
            41,
            None,
            get(f"{RESPONSES}/resp_1?stream=true&starting_after=41"),
        ),
        # not one that is kept
        (post(RESPONSES, {"stream": True}), 41, "resp_1", None),
        (post(RESPONSES, {"stream": True, "background": False}), 41, "resp_1", None),
        (post(RESPONSES, {"stream": True, "background": "true"}), 41, "resp_1", None),
        (post(RESPONSES, {"background": True}), 41, "resp_1", None),
        (Request("POST", RESPONSES, (), b"background=true"), 41, "resp_1", None),
        # not known where
        (post(RESPONSES, KEPT), 41, None, None),
        (post(RESPONSES, KEPT), 41, "", None),
        (post(RESPONSES, KEPT), None, "resp_1", None),
    ],
)
def test_openai_responses(
    request_: Request, value: int | None, id: str | None, going: Request | None
) -> None:
    assert reconnected("openai-responses", request_, value, id) == going


GOOGLE = "https://generativelanguage.googleapis.com/v1beta/interactions"


@pytest.mark.parametrize(
    ("request_", "value", "id", "going"),
    [
        (post(GOOGLE), "e 1", "v1_a", get(f"{GOOGLE}/v1_a?stream=true&last_event_id=e%201")),
        (
            post(f"{GOOGLE}?alt=sse&key=k", {"store": True}),
            "e1",
            "v1_a",
            get(f"{GOOGLE}/v1_a?alt=sse&key=k&stream=true&last_event_id=e1"),
        ),
        (
            get(f"{GOOGLE}/v1_a?stream=true&last_event_id=e1"),
            "e2",
            "v1_a",
            get(f"{GOOGLE}/v1_a?stream=true&last_event_id=e2"),
        ),
        # all of it
        (post(GOOGLE), "", "v1_a", get(f"{GOOGLE}/v1_a?stream=true")),
        (
            get(f"{GOOGLE}/v1_a?stream=true&last_event_id=e1"),
            "",
            "v1_a",
            get(f"{GOOGLE}/v1_a?last_event_id=e1&stream=true"),
        ),
        (post(GOOGLE, {"store": False}), "e1", "v1_a", None),
        (post(GOOGLE), "e1", None, None),
        (post(GOOGLE), None, "v1_a", None),
    ],
)
def test_gemini_interactions(
    request_: Request, value: str | None, id: str | None, going: Request | None
) -> None:
    assert reconnected("gemini-interactions", request_, value, id) == going


TALK = ("X-Conversation-Id", "c 1::model")


@pytest.mark.parametrize("name", ["llamacpp", "openai-chat/llamacpp"])
@pytest.mark.parametrize(
    ("route", "prefix"),
    [
        ("/completion", ""),
        ("/completions", ""),
        ("/v1/completions", ""),
        ("/infill", ""),
        ("/chat/completions", ""),
        ("/v1/chat/completions", ""),
        ("/v1/chat/completions/", ""),
        ("/api/chat", ""),
        ("/llm/v1/chat/completions", "/llm"),
        ("/llm/completion", "/llm"),
    ],
)
def test_llamacpp(name: str, route: str, prefix: str) -> None:
    request = post(f"http://localhost:8080{route}", {"stream": True}, TALK)
    there = f"http://localhost:8080{prefix}/v1/stream?conv_id=c%201%3A%3Amodel&from=4096"
    assert reconnected(name, request, 4096) == get(there, TALK)


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        (post("http://localhost:8080/completion"), 9),
        (post("http://localhost:8080/completion", None, ("X-Conversation-Id", "")), 9),
        (post("http://localhost:8080/completion", None, TALK), None),
        (post("http://localhost:8080/generate", None, TALK), 9),
        (post("http://localhost:8080/mycompletion", None, TALK), 9),
    ],
)
def test_llamacpp_that_kept_nothing(request_: Request, value: int | None) -> None:
    assert reconnected("llamacpp", request_, value) is None


BINDING = "https://workers-binding.ai/ai-gateway/gateways/default"
ACCOUNT = "https://api.cloudflare.com/client/v4/accounts/a1/ai-gateway/gateways/g"
PUBLIC = "https://gateway.ai.cloudflare.com/v1/a1/my-gateway"


@pytest.mark.parametrize("name", ["workers-ai", "openai-chat/cloudflare"])
@pytest.mark.parametrize("gateway", [BINDING, ACCOUNT, PUBLIC])
@pytest.mark.parametrize("route", ["", "/compat/chat/completions", "/workers-ai/@cf/m?x=y"])
def test_workers_ai(name: str, gateway: str, route: str) -> None:
    going = reconnected(name, post(gateway + route), 12, cf_aig_run_id="run 1")
    assert going == get(f"{gateway}/run/run%201/resume?from=12")


@pytest.mark.parametrize(
    ("url", "value", "headers"),
    [
        (
            "https://api.cloudflare.com/client/v4/accounts/a1/ai/run/@cf/m",
            1,
            {"cf_aig_run_id": "r"},
        ),
        ("https://gateway.ai.cloudflare.com/v1/a1", 1, {"cf_aig_run_id": "r"}),
        (
            "https://evil.example/?https://gateway.ai.cloudflare.com/v1/a/b",
            1,
            {"cf_aig_run_id": "r"},
        ),
        ("https://evil.example/?/ai-gateway/gateways/g", 1, {"cf_aig_run_id": "r"}),
        (BINDING, 1, {}),
        (BINDING, 1, {"cf_aig_run_id": ".."}),
        (BINDING, None, {"cf_aig_run_id": "r"}),
    ],
)
def test_workers_ai_without_a_run(url: str, value: int | None, headers: dict[str, str]) -> None:
    assert reconnected("workers-ai", post(url), value, **headers) is None


def test_positioned() -> None:
    length = ("Content-Length", "99")
    asked = post("https://a.example/", {"prompt": "Hi", "resume_from": 3}, length)
    assert reconnected("positioned", asked, 0) == post(
        "https://a.example/", {"prompt": "Hi", "resume_from": 0}
    )
    assert reconnected("positioned", asked, None) is None
    assert reconnected("positioned", get("https://a.example/"), 5) is None
    assert reconnected("positioned", Request("POST", "https://a.example/", (), b"[]"), 5) is None


# --- by Last-Event-ID, elsewhere or otherwise than before ---

LAST = ("Last-Event-ID", "7-0")


@pytest.mark.parametrize(
    ("asked", "location", "there"),
    [
        ("/threads/t/runs/stream", "/threads/t/runs/r/stream", "/threads/t/runs/r/stream"),
        ("/runs/stream?x=y", "/runs/r/stream", "/runs/r/stream"),
        # the server does not say under which prefix it is mounted
        (
            "/api/lg/threads/t/runs/stream",
            "/threads/t/runs/r/stream",
            "/api/lg/threads/t/runs/r/stream",
        ),
        ("/api/runs/stream", "/runs/r/stream", "/api/runs/r/stream"),
        ("/threads/runs/runs/stream", "/threads/runs/runs/r/stream", "/threads/runs/runs/r/stream"),
        # but one that does is believed
        ("/api/runs/stream", "/api/runs/r/stream", "/api/runs/r/stream"),
        ("/api/runs/stream", "https://lg.example/runs/r/stream", "/runs/r/stream"),
        ("/api/runs/stream", "r/stream", "/api/runs/r/stream"),
        ("/custom", "/runs/r/stream", "/runs/r/stream"),
    ],
)
def test_langgraph(asked: str, location: str, there: str) -> None:
    request = post(f"https://lg.example{asked}", {"stream_resumable": True}, ("Last-Event-ID", "1"))
    going = reconnected("langgraph", request, "7-0", location=location)
    assert going == get(f"https://lg.example{there}", LAST)


def test_langgraph_at_another_origin() -> None:
    request = post("https://lg.example/runs/stream", None, ("X-Api-Key", "lsv2_1"))
    going = reconnected("langgraph", request, "7-0", location="http://lg.example/runs/r/stream")
    assert going == Request("GET", "http://lg.example/runs/r/stream", (ACCEPT, LAST))


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        ("7-0", {}),
        ("7-0", {"location": ""}),
        ("7-0", {"location": "ftp://lg.example/"}),
        (None, {"location": "/runs/r/stream"}),
        ("", {"location": "/runs/r/stream"}),
    ],
)
def test_langgraph_that_kept_nothing(value: str | None, headers: dict[str, str]) -> None:
    request = post("https://lg.example/runs/stream")
    assert reconnected("langgraph", request, value, **headers) is None


MCP = "https://mcp.example/mcp"
SESSION = ("Mcp-Session-Id", "s1")


@pytest.mark.parametrize("version", ["", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_mcp(version: str) -> None:
    spoken = (("mcp-protocol-version", version),) if version else ()
    asked = post(MCP, {"method": "tools/call"}, *spoken)
    assert reconnected("mcp", asked, "7-0") == get(MCP, *spoken, LAST)
    assert reconnected("mcp", asked, "7-0", mcp_session_id="s1") == get(MCP, *spoken, LAST, SESSION)
    inside = post(MCP, {"method": "tools/call"}, *spoken, ("mcp-session-id", "s1"))
    there = get(MCP, *spoken, ("mcp-session-id", "s1"), LAST)
    assert reconnected("mcp", inside, "7-0") == there


@pytest.mark.parametrize(
    ("version", "value", "session"),
    [
        ("2026-07-28", "7-0", "s1"),
        ("2027-01-01", "7-0", "s1"),
        ("DRAFT-2026-v1", "7-0", "s1"),
        ("2025-11-25", None, "s1"),
        ("2025-11-25", "", "s1"),
        ("2025-11-25", "7-0", "s1\r\nX: y"),
    ],
)
def test_mcp_that_is_not_resumed(version: str, value: str | None, session: str) -> None:
    asked = post(MCP, {"method": "tools/call"}, ("MCP-Protocol-Version", version))
    assert reconnected("mcp", asked, value, mcp_session_id=session) is None
