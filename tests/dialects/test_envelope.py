"""`Envelope`: what it finds is what the decoder finds, for any payloads in any order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cuts import in_pieces
from tests.effort import tries

from tokenwire import (
    Dialect,
    Done,
    Error,
    Event,
    Frame,
    Limits,
    Reasoning,
    StreamParser,
    Token,
    get_dialect,
)
from tokenwire.dialects.kit.envelope import MAX_CHUNK, MAX_PAYLOAD, MOST, Envelope, TextEvent
from tokenwire.dialects.kit.payloads import UNREADABLE
from tokenwire.framing.codelines import CodeLinesFramer
from tokenwire.framing.jsonlines import JSONLinesFramer
from tokenwire.framing.sse import SSEFramer
from tokenwire.parser.resuming import resume_parser
from tokenwire.testing.laws import shortcuts


def read_plainly(payload: bytes) -> Token | None:
    """``{"text": "...", ...}`` without ``end``; it counts as a dialect's own reading."""
    try:
        value = json.loads(payload)
    except UNREADABLE:
        return None
    if not isinstance(value, dict) or value.get("end"):
        return None
    text = value.get("text")
    return Token(text, value.get("index", 0)) if text and isinstance(text, str) else None


class Reader:
    """A decoder's use of an envelope: ask it, else read and tell it."""

    def __init__(self, read: Callable[[bytes], TextEvent | None] = read_plainly) -> None:
        self.envelope = Envelope(read)
        self.read = read
        self.found = 0

    def __call__(self, payload: bytes, type: str = "") -> TextEvent | None:
        frame = Frame(payload, type)
        for event in self.envelope.take_from([frame]):
            self.found += 1
            assert event.frame is frame
            return event
        said = self.read(payload)
        if said is not None:
            self.envelope.learn(frame, said)
        return said


def payload(text: str, **rest: object) -> bytes:
    return json.dumps({"id": "c1", "text": text} | rest, ensure_ascii=False).encode()


def test_it_is_learnt_from_one_payload() -> None:
    read = Reader()
    words = ["a", ' "quoted" ', "\\", "日本", "a\nb", "\u2028", '"text"', "}", "\x7f"]
    for word in words:
        assert read(payload(word)) == Token(word)
    assert read.found == len(words) - 1


def test_a_text_that_stands_in_a_key_too_is_found() -> None:
    read = Reader()
    for word in ("text", "id", "c1", "text"):
        assert read(payload(word)) == Token(word)
    assert read.found == 3


@pytest.mark.parametrize("escaped", [True, False])
def test_texts_may_be_escaped_or_not(escaped: bool) -> None:
    read = Reader()
    for word in ("日本", "\n\u2028", "\ud83d", "é"):
        assert read(json.dumps({"text": word}, ensure_ascii=escaped).encode("utf-8", "replace"))
    assert read.found == 2 + (not escaped)  # half a surrogate is for the lenient reader


@pytest.mark.parametrize(
    "tail",
    [
        lambda n: b" " * n + b"}",
        lambda n: b', "obfuscation": "' + b"a0Z"[:n] + b'"}',
        lambda n: b', "obfuscation": "' + b"xy"[:n] + b'", "n": null}',
    ],
    ids=["spaces", "letters", "letters-inside"],
)
def test_a_filler_may_have_any_length(tail: Callable[[int], bytes]) -> None:
    read = Reader()
    for n, word in enumerate(["one", "two", "three", "four", "five"]):
        assert read(b'{"text": "%s"' % word.encode() + tail(n % 4)) == Token(word)
    assert read.found >= 3


CHANGES = {  # after two payloads {"id": "c1", "text": ...}: what must not be taken for a text
    "no-string": b'{"id": "c1", "text": 1}',
    "null": b'{"id": "c1", "text": null}',
    "empty": b'{"id": "c1", "text": ""}',
    "two-strings": b'{"id": "c1", "text": "a", "end": "b"}',
    "half-surrogate": b'{"id": "c1", "text": "\\ud83d"}',
    "not-utf-8": b'{"id": "c1", "text": "\xff"}',
    "control-byte": b'{"id": "c1", "text": "\n"}',
    "nothing": b'{"id": "c1", "text": }',
    "quote-short": b'{"id": "c1", "text": "}',
    "open": b'{"id": "c1", "text": "a',
    "other-id": b'{"id": "c2", "text": "a"}',
    "end": b'{"id": "c1", "text": "a", "end": true}',
    "longer": b'{"id": "c1", "text": "a"}}',
    "array": b"[]",
    "no-bytes": b"",
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES.keys())
def test_only_a_whole_string_is_a_text(changed: bytes) -> None:
    read = Reader()
    for word in ("a", "b", "c"):
        read(payload(word))
    assert read.found == 2

    assert read(changed) == read_plainly(changed)
    assert read.found == 2
    assert read(payload("d")) == Token("d")
    assert read.found == (2 if b"c2" in changed else 3)  # another one is known now


def test_the_filler_of_a_number_is_none() -> None:
    """Letters beside digits would be no number, so digits without quotes are never skipped."""
    read = Reader()
    for n in range(20):
        assert read(payload(f"word {n}", created=1_700_000_000 + n)) == Token(f"word {n}")
    assert read(b'{"id": "c1", "text": "a", "created": 17x}') is None
    assert read.found == 0


def test_which_of_two_equal_strings_is_the_text_is_proven() -> None:
    """Together says each text twice; only what the decoder reads counts."""
    read = Reader()
    for word in ("one", "two", "three"):
        assert read(json.dumps({"copy": word, "text": word}).encode()) == Token(word)
    assert read(b'{"copy": "four", "text": "five"}') == Token("five")
    assert read.found == 0


def test_the_frame_s_type_is_part_of_it() -> None:
    read = Reader()
    for word in ("a", "b", "c"):
        read(payload(word), "delta")
    assert read.found == 2
    read(payload("d"), "error")
    assert read.found == 2
    read(payload("e"), "error")
    assert read.found == 3


def test_types_that_alternate_are_not_learnt() -> None:
    read = Reader()
    for n in range(20):
        read(payload(f"word {n}"), ["a", "b"][n % 2])
    assert read.found == 0


def test_a_huge_payload_is_not_kept() -> None:
    read = Reader()
    for n in range(4):
        read(payload(f"word {n}", padding="x" * MAX_PAYLOAD))
    assert read.found == 0
    for n in range(4):
        read(payload(f"word {n}"))
    assert read.found == 3


def test_a_text_that_stands_in_many_places_is_left_alone() -> None:
    read = Reader()
    for _ in range(3):
        assert read(b'{"a": "x", "b": "x", "c": "x", "d": "x", "text": "x"}') == Token("x")
    assert read.found == 0


def test_what_never_pays_is_tried_ever_less() -> None:
    trials = 0

    def read(payload: bytes) -> Token | None:
        nonlocal trials
        trials += payload.count(b"no service sends")
        return read_plainly(payload)

    reader = Reader(read)
    for n in range(5000):  # every second payload has another id, which pays for nothing
        reader(payload(f"word {n}", at=n // 4))
    assert 3 < trials < 20


def test_what_paid_is_learnt_anew_at_once() -> None:
    read = Reader()
    for block in range(10):
        for n in range(100):
            assert read(payload(f"word {n}", index=block)) == Token(f"word {n}", block)
    assert read.found == 10 * 99


def test_what_cannot_be_read_proves_nothing() -> None:
    def read(payload: bytes) -> Token | None:
        if b"no service sends" in payload:
            raise ValueError("not JSON")
        return read_plainly(payload)

    reader = Reader(read)
    for word in ("a", "b", "c"):
        assert reader(payload(word)) == Token(word)
    assert reader.found == 0


def test_what_stands_between_text_and_filler_is_part_of_it() -> None:
    read = Reader()
    for word in ("one", "two", "three"):
        read(payload(word, usage=None, padding=word))
    assert read.found == 2
    read(payload("four", usage=1, padding="four"))
    assert read.found == 2


def test_forget() -> None:
    read = Reader()
    for word in ("a", "b", "c"):
        read(payload(word))
    read.envelope.forget()
    assert read.envelope.take_from([Frame(payload("d"))]) == []


def test_it_stops_at_the_first_that_it_does_not_know() -> None:
    read = Reader()
    for word in ("a", "b"):
        read(payload(word))
    known = [Frame(payload(word)) for word in ("c", "d")]

    for strange in (
        Frame(),
        Frame(b"{}"),
        Frame(payload("x"), "error"),
        Frame(b'{"id": "c1", "text": 1}'),
    ):
        frames = [*known, strange, *reversed(known)]
        assert read.envelope.take_from(frames) == [Token("c"), Token("d")]
        assert frames == [*known, strange]


def test_it_takes_so_many_at_once() -> None:
    read = Reader()
    for word in ("a", "b"):
        read(payload(word))
    frames = [Frame(payload(str(n))) for n in reversed(range(MOST + 1))]

    assert [event.text for event in read.envelope.take_from(frames)] == [*map(str, range(MOST))]
    assert read.envelope.take_from(frames) == [Token(str(MOST))]
    assert not frames


# --- chunks that are one frame ---


def express(*, limits: Limits = Limits(), type: str = "", framer: object = None) -> Envelope:
    """An envelope that has seen a text and may be asked for chunks."""
    envelope = Envelope(read_plainly)
    envelope.attach(framer or SSEFramer(limits), limits)
    envelope.learn(Frame(payload("a"), type), Token("a"))
    return envelope


def test_a_chunk_that_is_one_frame_is_read() -> None:
    event = express().take_chunk(b"data: " + payload("b") + b"\n\n")
    assert event == Token("b")
    assert event.frame == Frame(payload("b"))


def test_its_type_stands_before_the_data() -> None:
    envelope = express(type="delta")
    event = envelope.take_chunk(b"event: delta\ndata: " + payload("b") + b"\n\n")
    assert event == Token("b")
    assert event.frame == Frame(payload("b"), "delta")
    assert envelope.take_chunk(b"data: " + payload("b") + b"\n\n") is None


def test_a_chunk_that_is_one_json_line_is_read() -> None:
    event = express(framer=JSONLinesFramer(Limits())).take_chunk(payload("b") + b"\n")
    assert event == Token("b")
    assert event.frame == Frame(payload("b"))


@pytest.mark.parametrize(
    "chunk",
    [
        b"data: " + payload("b") + b"\n",
        b"data: " + payload("b") + b"\n\n\n",
        b"data:" + payload("b") + b"\n\n",
        b"data: " + payload("b") + b"\r\n\r\n",
        b"id: 1\ndata: " + payload("b") + b"\n\n",
        b"data: " + payload("b") + b"\n\ndata: " + payload("c") + b"\n\n",
        b'data: {"id": "c1", "text": \n"b"}\n\n',
        b'data: {"id": "c1", "text": \r"b"}\n\n',
        b'data: {"id": "c1", "text": "b"\n}\n\n',
        b'data: {"id": "c1", "text": "b\n"}\n\n',
        b'data: {"id": "c1", "text": ""}\n\n',
        b'data: {"id": "c1", "text": "b}\n\n',
        b"data: " + payload("b" * MAX_CHUNK) + b"\n\n",
        b"",
    ],
)
def test_any_other_chunk_is_for_the_framer(chunk: bytes) -> None:
    assert express().take_chunk(chunk) is None


@pytest.mark.parametrize("rest", [b' "}', b'a1"}', b'a1", "n": 1}'])
def test_a_chunk_s_filler_is_read_like_a_frame_s(rest: bytes) -> None:
    envelope = Envelope(read_plainly)
    envelope.attach(SSEFramer(Limits()), Limits())
    one = b'{"text": "%s", "pad": "'
    envelope.learn(Frame(one % b"a" + b'xyz"}'), Token("a"))

    chunk = b"data: " + one % b"b" + rest + b"\n\n"
    assert envelope.take_chunk(chunk) == (Token("b") if rest == b'a1"}' else None)
    assert envelope.take_chunk(b'data: {"text": "b", "mad": "a1"}\n\n') is None


def test_nothing_is_known_of_chunks_without_a_framer_of_lines() -> None:
    envelope = express(framer=object())
    assert not envelope.may_follow(b"data: \n\n")


def test_a_limit_below_the_largest_chunk_is_for_the_framer_to_check() -> None:
    assert not express(limits=Limits(max_event_size=MAX_CHUNK - 1)).may_follow(b"\n\n")
    assert express(limits=Limits(max_event_size=MAX_CHUNK)).may_follow(b"\n\n")


def test_a_frame_follows_a_blank_line() -> None:
    envelope = express()
    assert [
        data for data in (b"a\n\n", b"\n\n", b"\n", b"\r\n\r\n", b"a") if envelope.may_follow(data)
    ] == [b"a\n\n", b"\n\n"]


def test_payloads_of_several_lines_are_known_only_as_frames() -> None:
    envelope = Envelope(read_plainly)
    envelope.attach(SSEFramer(Limits()), Limits())
    lines = [json.dumps({"id": "c1", "text": word}, indent=1).encode() for word in "ab"]
    envelope.learn(Frame(lines[0]), Token("a"))

    assert envelope.take_chunk(b"data: " + lines[1].replace(b"\n", b"\ndata: ") + b"\n\n") is None
    assert envelope.take_from([Frame(lines[1])]) == [Token("b")]


def test_a_line_end_anywhere_around_the_text_leaves_chunks_to_the_framer() -> None:
    """Also between the text and a filler: a blank line there would end the event."""
    envelope = Envelope(read_plainly)
    envelope.attach(SSEFramer(Limits()), Limits())
    envelope.learn(Frame(b'{"id": "c1", "text": "a"\n} '), Token("a"))
    envelope.learn(Frame(b'{"id": "c1", "text": "a"\n}   }'), Token("a"))
    assert envelope.take_chunk(b'data: {"id": "c1", "text": "b"\n}\n\n') is None
    wire = [
        b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"a"\ndata: }}] }\n\n',
        b'data: {"choices":[{"delta":{"content":"b"\n}}] }\n\n',
    ]
    assert events_of(get_dialect("openai-chat"), wire) == events_of(
        get_dialect("openai-chat"), [b"".join(wire)]
    )


def test_what_was_learnt_without_a_framing_is_not_asked_for_chunks() -> None:
    envelope = Envelope(read_plainly)
    envelope.learn(Frame(payload("a")), Token("a"))
    assert envelope.take_chunk(payload("b")) is None
    assert envelope.take_from([Frame(payload("b"))]) == [Token("b")]


def test_another_framer_or_smaller_limits_take_what_was_learnt_back() -> None:
    """A stream that goes on keeps its decoder, and not the wire on which it learnt."""
    envelope = express()
    chunk = b"data: " + payload("b" * 370) + b"\n\n"
    assert envelope.take_chunk(chunk) == Token("b" * 370)
    envelope.attach(SSEFramer(Limits()), Limits())  # as before
    assert envelope.take_chunk(chunk) == Token("b" * 370)
    envelope.attach(SSEFramer(Limits(max_event_size=200)), Limits(max_event_size=200))
    assert envelope.take_chunk(chunk) is None
    assert not envelope.may_follow(chunk)
    first = StreamParser("openai-chat")
    token = b'data: {"id":"c","choices":[{"delta":{"content":"%s"}}]}\n\n'
    for _ in range(3):
        first.receive_data(token % (b"x" * 370))
    list(first.events())
    second = resume_parser(
        get_dialect("openai-chat"),
        limits=Limits(max_event_size=200),
        after=first,
        skip=lambda frame: False,
    )
    for _ in range(3):
        second.receive_data(token % b"x")
        list(second.events())
    second.receive_data(token % (b"x" * 370))
    (error,) = second.events()
    assert isinstance(error, Error)
    assert error.kind == "limit"


def test_lines_and_codes_that_a_plugin_reads_with_an_envelope() -> None:
    """Chunks that are whole payloads, but no frames, are for the framer: a line end may follow."""

    class Decoder:
        def __init__(self) -> None:
            self.envelope = Envelope(read_plainly)

        def receive_frame(self, frame: Frame) -> list[Token]:
            token = read_plainly(frame.data or b"")
            if token is None:
                return []
            token = Token(token.text, frame=frame)
            self.envelope.learn(frame, token)
            return [token]

        @staticmethod
        def receive_eof() -> list[Done]:
            return [Done("stop")]

    for framer, head in ((JSONLinesFramer, b""), (CodeLinesFramer, b"0:")):
        plugin = Dialect(name="plugin", framer=framer, decoder=Decoder, terminator="the end")
        said = [head + payload(word) for word in "abcde"]
        chunks = [
            said[0] + b"\n",
            said[1] + b"\n",
            said[2],
            b"\n",
            said[3] + b"\n" + said[4],
            b"\n",
        ]
        assert [event for event, _ in events_of(plugin, chunks)] == [
            *map(Token, "abcde"),
            Done("stop"),
        ]
        assert shortcuts(plugin, b"".join(chunks), (len(said[0]) + 1,)) is None


@pytest.mark.parametrize("interruption", [b"id: 7\n\n", b": hm\n\nid: 7\ndata: {}\n\n"])
def test_after_an_id_each_frame_has_a_place(interruption: bytes) -> None:
    parser = StreamParser("openai-chat")
    for chunk in [*(b"data: " + chat(word) + b"\n\n" for word in "abc"), interruption]:
        parser.receive_data(chunk)
        list(parser.events())
    parser.receive_data(b"data: " + chat("d") + b"\n\n")
    assert parser.cursor.value == "7"

    (event,) = parser.events()
    assert event == Token("d")
    assert event.frame is not None
    assert event.frame.id == "7"


def test_an_iterator_that_was_left_is_gone_on_with() -> None:
    wire = [b"data: " + chat(f"w{n}") + b"\n\n" for n in range(9)]
    parser = StreamParser("openai-chat")
    parser.receive_data(b"".join(wire[:5]))
    said = [next(parser.events()) for _ in range(3)]
    parser.receive_data(b"".join(wire[5:7]))
    said += [next(parser.events()) for _ in range(2)]
    parser.receive_data(b"".join(wire[7:]))
    said += parser.events()
    assert [event.text for event in said if isinstance(event, Token)] == [f"w{n}" for n in range(9)]


def test_chunks_that_are_not_drained_keep_their_order() -> None:
    parser = StreamParser("openai-chat")
    said: list[Event] = []
    for n in range(20):
        parser.receive_data(b"data: " + chat(f"w{n}") + b"\n\n")
        if n % 3:
            said += parser.events()
        elif n % 2:
            event = parser.next_event()
            assert isinstance(event, Event)
            said.append(event)
    said += parser.events()
    assert [event.text for event in said if isinstance(event, Token)] == [
        f"w{n}" for n in range(20)
    ]


# --- whatever comes ---

_WORDS = st.text(max_size=8) | st.sampled_from(['"', "\\", "\\u0041", "c1", "text", "end", " "])
_FILLERS = st.sampled_from([b"", b" ", b"   ", b"abc", b"Z9", b"a b", b'"', b"\\n", b"\xc3\xa9"])
_LITERALS = _WORDS.map(lambda word: json.dumps(word).encode()) | _WORDS.map(
    lambda word: json.dumps(word, ensure_ascii=False).encode("utf-8", "surrogatepass")
)
_ODD = st.binary(max_size=6) | st.sampled_from([b"1", b"null", b'"', b'"a"b"', b'"a", "end": "b"'])
_SHAPES = st.tuples(
    st.sampled_from([b'{"text": ', b'{"id": "c1", "text": ', b'{"id": "c2","text":', b'{"te']),
    _LITERALS | _ODD,
    st.sampled_from([b"", b', "end": "', b', "o": "', b', "n": ', b"}"]),
    _FILLERS,
    st.sampled_from([b"}", b'"}', b'", "end": 0}', b""]),
)


@given(st.lists(_SHAPES.map(b"".join), max_size=3), st.lists(_SHAPES, max_size=12))
@settings(max_examples=tries(400))
def test_it_reads_what_the_decoder_reads(
    first: list[bytes], shapes: list[tuple[bytes, ...]]
) -> None:
    """Payloads of one family, as they come from one service, with anything in any place."""
    read = Reader()
    for one in [*first, *map(b"".join, shapes), *first]:
        assert read(one) == read_plainly(one), one


@given(st.data())
@settings(max_examples=tries(200))
def test_one_shape_with_anything_in_its_place(data: st.DataObject) -> None:
    before, _, middle, _, end = data.draw(_SHAPES)
    read = Reader()
    for literal, filling in data.draw(st.lists(st.tuples(_LITERALS | _ODD, _FILLERS), max_size=12)):
        one = before + literal + middle + filling + end
        assert read(one) == read_plainly(one), one


# --- the dialects that use it ---

_OPENAI = {"id": "c", "object": "chat.completion.chunk", "model": "m", "usage": None}


def chat(content: object, *, index: int = 0, finish: str | None = None, **rest: object) -> bytes:
    choice = {"index": index, "delta": {"content": content}, "finish_reason": finish}
    return json.dumps(_OPENAI | {"choices": [choice]} | rest).encode()


def block(kind: str, text: object, index: int = 0) -> bytes:
    delta = {"type": f"{kind}_delta", kind: text}
    return json.dumps({"type": "content_block_delta", "index": index, "delta": delta}).encode()


_TEXTS = st.text(max_size=5) | st.sampled_from(["stop", "c", "\ud83d", '"', None, 1, ["a"]])
PAYLOADS = {
    "openai-chat": st.builds(
        chat,
        _TEXTS,
        index=st.sampled_from([0, 0, 0, 1]),
        finish=st.sampled_from([None, None, None, None, "stop", ""]),
    )
    | st.builds(lambda text, pad: chat(text, obfuscation=pad), _TEXTS, st.sampled_from(["a", "b9"]))
    | st.sampled_from([b"[DONE]", b"{}", b"", b'{"error": {"message": "x"}}', b'{"choices": []}']),
    "anthropic-messages": st.builds(
        block, st.sampled_from(["text", "text", "thinking"]), _TEXTS, st.sampled_from([0, 0, 1])
    )
    | st.builds(lambda one, pad: one[:-1] + pad + b"}", st.just(block("text", "x")), _FILLERS)
    | st.sampled_from([b'{"type": "ping"}', b'{"type": "message_stop"}', b"", b"{}"]),
}


def events_of(dialect: Dialect, wire: Iterable[bytes]) -> list[tuple[Event, Frame | None]]:
    parser = StreamParser(dialect)
    found = []
    for chunk in wire:
        parser.receive_data(chunk)
        found += [(event, event.frame) for event in parser.events()]
    parser.receive_eof()
    return [*found, *((event, event.frame) for event in parser.events())]


class Unaided:
    """A decoder without its envelope."""

    def __init__(self, name: str) -> None:
        decoder = get_dialect(name).decoder()
        assert not callable(decoder)
        self.receive_frame, self.receive_eof = decoder.receive_frame, decoder.receive_eof


def unaided(name: str) -> Dialect:
    dialect = get_dialect(name)
    return Dialect(
        name=name,
        framer=dialect.framer,
        decoder=lambda: Unaided(name),
        terminator=dialect.terminator,
    )


@pytest.mark.parametrize("name", PAYLOADS)
@given(st.data())
@settings(max_examples=tries(200), deadline=None)
def test_a_dialect_gives_the_same_with_it_and_without(name: str, data: st.DataObject) -> None:
    frames = data.draw(
        st.lists(
            st.tuples(
                PAYLOADS[name],
                st.sampled_from([b"", b"", b"", b"event: x\n", b"id: 1\n", b": hm\n\n"]),
            ),
            max_size=25,
        )
    )
    wire = b"".join(b"%sdata: %s\n\n" % (head, payload) for payload, head in frames)
    size = data.draw(st.sampled_from([0, 0, len(wire) + 1, 1000, 77, 5]))
    chunks = in_pieces(wire, size) if size else [one + b"\n\n" for one in wire.split(b"\n\n")[:-1]]

    assert repr(events_of(get_dialect(name), chunks)) == repr(
        events_of(unaided(name), [wire] if wire else [])
    )


def test_thoughts_are_known_too() -> None:
    decoder = get_dialect("anthropic-messages").decoder()
    for word in ("a", "b"):
        decoder.receive_frame(Frame(block("thinking", word)))  # type: ignore[union-attr]
    assert decoder.envelope.take_from([Frame(block("thinking", "c"))]) == [Reasoning("c")]  # type: ignore[union-attr]


def test_a_choice_that_ended_is_known_no_longer() -> None:
    """What it says after its end puts the end in doubt: the decoder must see it."""
    decoder = get_dialect("openai-chat").decoder()
    for content in (chat("a"), chat("b"), chat("c")):
        decoder.receive_frame(Frame(content))  # type: ignore[union-attr]
    more = Frame(chat("d"))
    assert decoder.envelope.take_from([more]) == [Token("d")]  # type: ignore[union-attr]
    decoder.receive_frame(Frame(chat(None, finish="stop")))  # type: ignore[union-attr]
    assert decoder.envelope.take_from([more]) == []  # type: ignore[union-attr]


class KnowsAll:
    """An envelope around every text."""

    known = True

    @staticmethod
    def attach(framer: object, limits: Limits) -> None:
        pass

    @staticmethod
    def may_follow(data: bytes) -> bool:
        return False

    @staticmethod
    def take_from(frames: list[Frame]) -> list[Event]:
        events: list[Event] = [Token(frame.text) for frame in reversed(frames)]
        frames.clear()
        return events


class ReadsAhead:
    """It knows every frame ahead, and notes those that it is asked to decode all the same."""

    envelope = KnowsAll()

    def __init__(self) -> None:
        self.decoded: list[bytes | None] = []

    def receive_frame(self, frame: Frame) -> list[Event]:
        self.decoded.append(frame.data)
        return [Token(frame.text)]

    def receive_eof(self) -> list[Event]:
        return []


def test_what_is_left_open_at_the_end_is_for_the_decoder() -> None:
    decoder = ReadsAhead()
    dialect = get_dialect("sse")
    parser = StreamParser(
        Dialect(name="x", framer=dialect.framer, decoder=lambda: decoder, terminator="nothing")
    )
    parser.receive_data(b"data: 1\n\ndata: 2\n\ndata: 3\n\n")
    assert list(parser.events()) == [Token("1"), Token("2"), Token("3")]
    assert decoder.decoded == [b"1"]

    parser.receive_data(b"data: 4\n\ndata: 5")
    parser.receive_eof()
    assert list(parser.events())[:2] == [Token("4"), Token("5")]
    assert decoder.decoded == [b"1", b"5"]


def test_events_read_ahead_are_handed_out_in_any_way() -> None:
    """By `next_event`, by one iterator or several: each once and in order, the cursor beside it."""
    wire = b"".join(b"id: %d\ndata: %s\n\n" % (n, chat(f"w{n}")) for n in range(200))
    parser = StreamParser("openai-chat")
    parser.receive_data(wire)
    assert isinstance(parser.next_event(), Event)  # Started
    assert parser.buffered > len(wire) // 2
    ways = [parser.next_event, lambda: next(iter(parser.events())), parser.events().__next__]

    for n in range(200):
        event = ways[n % 3]()
        assert event == Token(f"w{n}")
        assert parser.cursor.value == str(n)
    assert parser.buffered == 0
