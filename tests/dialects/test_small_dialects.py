"""event-stream, sse, positioned, jsonl, ollama, and dialects by name."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.dialects.checks import told
from tests.reading import read

from tokenwire import (
    Cursor,
    Data,
    Dialect,
    Done,
    Error,
    Finished,
    Heartbeat,
    Reasoning,
    Recovery,
    Started,
    Token,
    ToolCall,
    Unknown,
    UnknownDialectError,
    Usage,
    available_dialects,
    get_dialect,
    json_lines,
)
from tokenwire.dialects.servers.ollama import SILENT as OLLAMA_SILENT
from tokenwire.dialects.servers.ollama import FunctionWire as OllamaFunction
from tokenwire.dialects.servers.ollama import LineWire as OllamaLine
from tokenwire.dialects.servers.ollama import MessageWire as OllamaMessage
from tokenwire.dialects.servers.ollama import ToolCallWire as OllamaCall

# --- event-stream ---


def test_event_stream() -> None:
    wire = b"id: 1\nevent: add\ndata: a\n\ndata: b\ndata\n\n: c\n\ndata: open"
    result = read([wire], "event-stream")
    assert result.events[:3] == [Data("add", "a"), Data("message", "b\n"), Heartbeat("c")]
    assert isinstance(result.events[3], Error)
    assert (result.events[3].kind, result.events[3].recovery) == ("truncated", Recovery.RESUME)
    assert result.cursor == Cursor("id", "1")


@pytest.mark.parametrize("dialect", ["event-stream", "sse"])
def test_plain_text_never_proves_itself_complete(dialect: str) -> None:
    """An open event is dropped even where its text happens to be JSON."""
    (only,) = read([b"data: 1234"], dialect).events
    assert isinstance(only, Error)


def test_event_stream_has_no_sentinel() -> None:
    assert read([b"data: [DONE]\n\n"], "event-stream").events[0] == Data("message", "[DONE]")


# --- sse ---


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("no", Error("vendor", "no")),
        ('{"message":"no","code":"c"}', Error("vendor", "no", "c")),
        ('{"error":{"message":"no"}}', Error("vendor", "no")),
        ('"no"', Error("vendor", "no")),
    ],
)
def test_sse_errors(data: str, error: Error) -> None:
    assert read([f"event: error\ndata: {data}\n\n".encode()], "sse").events == [error]


def test_sse_keeps_spaces_and_lines() -> None:
    wire = b"event: message\ndata:  a \n\ndata: x\ndata: y\n\ndata:\n\nevent: e\ndata: 1"
    events = read([wire], "sse").events
    assert events[:3] == [Token(" a "), Token("x\ny"), Heartbeat()]
    assert len(events) == 4


def test_sse_named_event_left_open() -> None:
    events = read([b'data: a\n\nevent: e\ndata: {"whole": "json"}'], "sse").events
    assert events[0] == Token("a")
    assert len(events) == 2


# --- positioned ---


def test_positioned_oddities() -> None:
    wire = (
        b'data: {"token":"","position":0}\n\ndata:\n\ndata: {"x":1}\n\ndata: {"token":3,"position":3}\n\n'
        b'data: {"token":"a","position":"4"}\n\ndata: {"error":"no"}\n\n'
    )
    result = read([wire], "positioned")
    empty, unknown, *tokens, error = result.events
    assert (empty, unknown) == (Heartbeat(), Unknown())
    assert tokens == [Token("3"), Token("a")]
    assert error == Error("vendor", "no")


# --- jsonl ---


def test_jsonl_paths() -> None:
    dialect = json_lines(text="choices.0.text", end="status.over", error="fault", name="mine")
    wire = (
        b'{"choices":[{"text":"a"}]}\n{"choices":[]}\n{"choices":["x"]}\n[1]\n"b"\n'
        b'{"choices":[{"text":""}]}\n{"status":{"over":false}}\n{"status":{"over":"yes"}}\n'
    )
    assert read([wire], dialect).events == [
        Token("a"),
        Data("json", {"choices": []}),
        Data("json", {"choices": ["x"]}),
        Data("json", [1]),
        Data("json", "b"),
        Data("json", {"status": {"over": False}}),
        Done("stop"),
    ]
    assert dialect.terminator == "a line with 'status.over' set"


def test_jsonl_errors_and_what_cannot_be_read() -> None:
    wire = b'nonsense\n{"text":"a"}{"text":"b"}\n{"error":{"message":"no","code":"c"}}\n'
    malformed, first, second, error = read([wire], "jsonl").events
    assert isinstance(malformed, Error)
    assert not malformed.fatal
    assert (first, second, error) == (Token("a"), Token("b"), Error("vendor", "no", "c"))


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b"])
@pytest.mark.parametrize("name", ["text", "end", "error"])
def test_jsonl_paths_are_checked(name: str, path: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a path such as 'message.content'"):
        json_lines(**{name: path})


def test_jsonl_writes_where_it_reads() -> None:
    from tokenwire import StreamEncoder

    dialect = json_lines(text="choices.1.text", end="status.over", name="mine")
    encoder = StreamEncoder(dialect)
    sent = encoder.send(Token("a")) + encoder.send(Done())
    assert sent == b'{"choices":[null,{"text":"a"}]}\n{"status":{"over":true}}\n'
    assert read([sent], dialect).events == [Token("a"), Done("stop")]


# --- ollama ---


def test_ollama_calls_come_whole_and_share_an_index() -> None:
    wire = (
        b'{"model":"m","message":{"tool_calls":[{"id":"a","function":{"index":0,"name":"f",'
        b'"arguments":{"x":1}}},{"function":{"index":0,"name":"g","arguments":"{}"}},{}]},'
        b'"done":false}\n'
    )
    assert read([wire], "ollama-chat", eof=False).events == [
        Started(None, "m"),
        ToolCall("0", 0, "a", "f", '{"x":1}', True),
        ToolCall("1", 0, None, "g", "{}", True),
        ToolCall("2", 0, None, None, "{}", True),
    ]


def test_ollama_generate_has_its_own_fields() -> None:
    wire = b'{"response":"a","thinking":"Hm"}\n{"response":"","done":true,"eval_count":2}\n'
    assert read([wire], "ollama-generate").events == [
        Reasoning("Hm"),
        Token("a"),
        Usage(None, 2, final=True),
        Finished(0, "other", None),
        Done("other"),
    ]


def test_ollama_errors() -> None:
    wire = b'{"model":"m","message":{"content":"a"}}\n{"error":"out of memory"}\n{"done":true}\n'
    assert read([wire], "ollama-chat").events == [
        Started(None, "m"),
        Token("a"),
        Error("vendor", "out of memory"),
    ]


def test_ollama_oddities() -> None:
    wire = b'{"x":1}\nnonsense\n\n["done"]\n{"eval_count":"3","done":true}\n'
    events = read([wire], "ollama-chat").events
    assert events[0] == Unknown()
    assert isinstance(events[1], Error)
    assert events[2] == Heartbeat()
    assert isinstance(events[3], Error)
    assert events[4] == Usage(None, 3, final=True)


def test_ollama_pictures_and_likelihoods() -> None:
    wire = (
        b'{"response":"","done":false,"completed":1,"total":4}\n'
        b'{"response":"a","done":false,"logprobs":[{"token":"a"}]}\n'
        b'{"response":"","image":"iVBO","done":true,"done_reason":"stop","mood":"calm"}\n'
    )
    assert read([wire], "ollama-generate").events == [
        Data("progress", {"completed": 1, "total": 4}),
        Token("a"),
        Data("logprobs", [{"token": "a"}]),
        Data("image", "iVBO"),
        Finished(0, "stop", "stop"),
        Data("extra", {"mood": "calm"}),
        Done("stop"),
    ]
    said = b'{"message":{"content":"","images":["iVBO"]},"done":false}\n'
    assert read([said], "ollama-chat").events[0] == Data("images", ["iVBO"])


def test_ollama_each_field_is_told_or_silent_for_a_reason() -> None:
    places = {
        OllamaLine: '{"message":{"content":"a"},"done":false,%s}',
        OllamaMessage: '{"message":{"content":"a",%s},"done":false}',
        OllamaCall: '{"message":{"content":"a","tool_calls":[{%s}]},"done":false}',
        OllamaFunction: '{"message":{"tool_calls":[{"function":{%s}}],"content":"a"},"done":false}',
    }
    samples = {"tool_calls": '[{"function":{"name":"f"}}]', "message": '{"content":"a"}'}
    samples |= {"function": '{"name":"f"}', "error": '"no"', "content": '"a"', "done": "true"}
    of_the_line = {"content", "message", "done_reason", "prompt_eval_count", "eval_count"}
    of_the_line |= {"response", "thinking", "tool_calls"}  # of the other endpoint
    first = '{"model":"m","message":{"content":"a"},"done":false}\n'
    for kind, payload in places.items():
        sound = read([(first + payload.replace("%s", '"x":null')).encode()], "ollama-chat").events
        for field in kind.__struct_fields__:
            said = payload.replace("%s", f'"{field}":{samples.get(field, "1")}')
            found = read([(first + said).encode()], "ollama-chat").events
            silent = field in OLLAMA_SILENT.get(kind, {}) or field == "model"
            if kind in (OllamaLine, OllamaMessage) and field not in of_the_line:
                assert (found == sound) == silent, field
            assert Token("a") in found


def test_ollama_calls_whose_arguments_are_no_json() -> None:
    for arguments, complete in (('{"a":1}', True), ('{"a":', False), ({"a": 1}, True)):
        call = {"function": {"name": "f", "arguments": arguments}}
        line = json.dumps({"message": {"tool_calls": [call]}, "done": False}).encode()
        assert [
            event.complete
            for event in read([line + b"\n"], "ollama-chat").events
            if isinstance(event, ToolCall)
        ] == [complete]


def test_ollama_cut() -> None:
    (_, error) = read([b'{"message":{"content":"a"},"done":false}\n'], "ollama-chat").events
    assert isinstance(error, Error)
    assert error.message.endswith('before "done": true')


# --- told by their marks ---


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("ollama-chat", b'{"model":"m","message":{"content":""},"done":false}\n'),
        ("ollama-generate", b'{"model":"m","response":"","done":false}\n'),
        ("positioned", b'data: {"token":"a","position":0}\n\n'),
        ("sse", b"data: a\n\n"),
        ("", b'{"text":"a"}\n'),
    ],
)
def test_told_by_marks(name: str, wire: bytes) -> None:
    """``jsonl`` and ``event-stream`` have no marks: they are asked for."""
    assert told(wire) == name


# --- by name ---


def test_names_and_formats() -> None:
    for name in available_dialects():
        dialect = get_dialect(name)
        assert dialect.name == name
        assert dialect.format
        assert dialect.terminator


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third-party package with two entry points, one of them wrong."""
    (tmp_path / "acme_tokens.py").write_text(
        "import tokenwire\n"
        "sse = tokenwire.get_dialect('sse')\n"
        "DIALECT = tokenwire.Dialect(name='acme', framer=sse.framer, decoder=sse.decoder,"
        " terminator='x')\n"
        "WRONG = 3\n"
    )
    info = tmp_path / "acme_tokens-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-tokens\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tokenwire.dialects]\nacme = acme_tokens:DIALECT\nwrong = acme_tokens:WRONG\n"
        "sse = acme_tokens:DIALECT\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "acme_tokens", raising=False)


@pytest.mark.usefixtures("installed")
def test_installed_dialects() -> None:
    assert {"acme", "wrong", "sse"} <= set(available_dialects())
    assert isinstance(get_dialect("acme"), Dialect)
    assert read([b"data: a\n\n"], "acme").events[0] == Token("a")
    assert get_dialect("sse").name == "sse", "a built-in name is never taken"
    with pytest.raises(TypeError, match=r"must be a tokenwire\.Dialect, not int"):
        get_dialect("wrong")
    with pytest.raises(UnknownDialectError, match="acme"):
        get_dialect("acm")


# --- half surrogates: services cut text inside a character, and JSON can say the half ---


@pytest.mark.parametrize("dialect", ["ollama-chat", "openai-chat"])
def test_half_a_surrogate_in_whole_arguments(dialect: str) -> None:
    call = '{"function":{"name":"f","arguments":{"x":"\\ud83d"}}}'
    wire = {
        "ollama-chat": f'{{"message":{{"tool_calls":[{call}]}}}}\n',
        "openai-chat": f'data: {{"choices":[{{"delta":{{"tool_calls":[{call}]}}}}]}}\n\n',
    }[dialect]
    (found,) = read([wire.encode()], dialect, eof=False).events
    assert isinstance(found, ToolCall)
    assert found.arguments == '{"x": "\\ud83d"}'
