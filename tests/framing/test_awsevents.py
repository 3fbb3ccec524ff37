"""`AWSEventsFramer`: binary messages, whose checksums and lengths are believed only when right."""

from __future__ import annotations

import inspect
import struct
from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cuts import every_cut, in_every_cut, in_pieces, read_frames
from tests.framing.event_messages import event, header, message, sealed, string
from tests.framing.meter import Meter, metered

from tokenwire import Frame, FramingError, Limits, LocalProtocolError
from tokenwire.framing import awsevents
from tokenwire.framing.awsevents import MAX_HEADERS_LENGTH, AWSEventsFramer

read_messages = partial(read_frames, AWSEventsFramer)

# Made by hand and accepted by botocore's own reader.
DELTA = bytes.fromhex(
    "0000009d00000057b9bbf89f0b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c7461"
    "0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74"
    "7970650700056576656e747b22636f6e74656e74426c6f636b496e646578223a302c2264656c7461223a7b22"
    "74657874223a224869227d2c2270223a226162227d8b38b268"
)
DELTA_FRAME = Frame(
    b'{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"ab"}',
    "contentBlockDelta",
    headers=(
        (":event-type", "contentBlockDelta"),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ),
)
EXCEPTION = bytes.fromhex(
    "0000008e00000061514180540f3a657863657074696f6e2d747970650700137468726f74746c696e67457863"
    "657074696f6e0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573"
    "736167652d74797065070009657863657074696f6e7b226d657373616765223a22546f6f206d616e7920746f"
    "6b656e73227dc81b1ec1"
)
EXCEPTION_FRAME = Frame(
    b'{"message":"Too many tokens"}',
    "throttlingException",
    headers=(
        (":exception-type", "throttlingException"),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ),
)
KEEP_ALIVE = bytes.fromhex("000000100000000005c248eb7d98c8ff")

FRAMES: dict[str, tuple[bytes, list[Frame]]] = {
    "empty": (b"", []),
    "event": (DELTA, [DELTA_FRAME]),
    "exception": (EXCEPTION, [EXCEPTION_FRAME]),
    "keep-alive": (KEEP_ALIVE, [Frame()]),
    "several": (
        DELTA + KEEP_ALIVE + EXCEPTION + KEEP_ALIVE,
        [DELTA_FRAME, Frame(), EXCEPTION_FRAME, Frame()],
    ),
    "no-headers": (message(payload=b"x"), [Frame(b"x")]),
    "no-payload": (message(string("a", "b")), [Frame(b"", headers=(("a", "b"),))]),
    "any-bytes": (message(payload=b"\0\r\n\xff"), [Frame(b"\0\r\n\xff")]),
    "event-type-no-text": (
        message(header(b":event-type", 0)),
        [Frame(b"", headers=((":event-type", True),))],
    ),
    "cut-in-the-message": (KEEP_ALIVE + DELTA[:-1], [Frame(), Frame(other=DELTA[:-1], unterminated=True)]),
    "cut-in-the-prelude": (DELTA + DELTA[:11], [DELTA_FRAME, Frame(other=DELTA[:11], unterminated=True)]),
}  # fmt: skip


@pytest.mark.parametrize(("wire", "frames"), FRAMES.values(), ids=FRAMES.keys())
def test_frames(wire: bytes, frames: list[Frame]) -> None:
    assert in_every_cut(read_messages, wire) == (frames, None, None)


def test_a_message_is_there_with_its_last_byte() -> None:
    framer = AWSEventsFramer(Limits())
    framer.receive_data(DELTA[:-1])
    assert list(framer.frames) == []
    framer.receive_data(DELTA[-1:])
    assert list(framer.frames) == [DELTA_FRAME]


# --- headers ---


HEADERS: dict[str, tuple[int, bytes, object]] = {
    "true": (0, b"", True),
    "false": (1, b"", False),
    "int8": (2, b"\xcf", -49),
    "int8-least": (2, b"\x80", -128),
    "int16": (3, b"\xff\xfe", -2),
    "int32": (4, b"\x00\x00\xa0\x0c", 40972),
    "int32-least": (4, b"\x80\0\0\0", -(2**31)),
    "int64": (5, b"\x7f" + b"\xff" * 7, 2**63 - 1),
    "bytes": (6, b"\0\x03\0\xff\n", b"\0\xff\n"),
    "bytes-empty": (6, b"\0\0", b""),
    "string": (7, b"\0\x04\xf0\x9f\x97\xbc", "🗼"),
    "string-empty": (7, b"\0\0", ""),
    "timestamp": (8, struct.pack("!q", 1_700_000_000_123), 1_700_000_000_123),
    "timestamp-before-1970": (8, struct.pack("!q", -1), -1),
    "uuid": (9, bytes(range(1, 17)), "01020304-0506-0708-090a-0b0c0d0e0f10"),
}


@pytest.mark.parametrize(("kind", "raw", "value"), HEADERS.values(), ids=HEADERS.keys())
def test_every_type_of_header(kind: int, raw: bytes, value: Any) -> None:
    ((frame,), _, error) = in_every_cut(read_messages, message(header("é".encode(), kind, raw)))

    assert error is None
    assert frame.headers == (("é", value),)
    assert type(frame.headers[0][1]) is type(value)


def test_all_types_in_one_message_keep_their_order() -> None:
    raw = [header(b"%d" % at, kind, raw) for at, (kind, raw, _) in enumerate(HEADERS.values())]
    ((frame,), _, _) = read_messages([message(b"".join(reversed(raw)), b"x")])

    names = [str(at) for at in range(len(HEADERS))]
    values = [value for _, _, value in HEADERS.values()]
    assert frame.headers == tuple(zip(reversed(names), reversed(values), strict=True))


# Of the AWS SDK for Go (Apache-2.0), as its authors give them to those who write readers.
ALL_HEADERS = bytes.fromhex(
    "000000cc000000af0fae64ca0a6576656e742d74797065040000a00c0c636f6e74656e742d7479706507001061"
    "70706c69636174696f6e2f6a736f6e0a626f6f6c2066616c73650109626f6f6c207472756500046279746502cf"
    "08627974652062756606001449276d2061206c6974746c6520746561706f74210974696d657374616d70080000"
    "000000845fed05696e74313603002a05696e7436340500000000028757b2047575696409010203040506070809"
    "0a0b0c0d0e0f107b27666f6f273a27626172277daba5f10c"
)
CORRUPTED_HEADERS_LENGTH = bytes.fromhex(
    "0000003d0000002107fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b"
    "27666f6f273a27626172277d8d9c08b1"
)


def test_a_sound_message_of_another_implementation() -> None:
    ((frame,), _, error) = in_every_cut(read_messages, ALL_HEADERS)

    assert error is None
    assert frame.data == b"{'foo':'bar'}"
    assert frame.headers == (
        ("event-type", 40972),
        ("content-type", "application/json"),
        ("bool false", False),
        ("bool true", True),
        ("byte", -49),
        ("byte buf", b"I'm a little teapot!"),
        ("timestamp", 8675309),
        ("int16", 42),
        ("int64", 42424242),
        ("uuid", "01020304-0506-0708-090a-0b0c0d0e0f10"),
    )


def test_a_broken_message_of_another_implementation() -> None:
    framer = AWSEventsFramer(Limits())
    with pytest.raises(FramingError, match=r"prelude is 0x70fab300, but it says 0x07fd8396"):
        framer.receive_data(CORRUPTED_HEADERS_LENGTH)

    assert in_every_cut(read_messages, CORRUPTED_HEADERS_LENGTH).error == "malformed"


def test_a_name_of_255_bytes() -> None:
    ((frame,), _, _) = read_messages([message(header(b"n" * 255, 0))])
    assert frame.headers == (("n" * 255, True),)


BROKEN_HEADERS = {
    "empty-name": (header(b"", 0), "its name is empty"),
    "no-type": (b"\x01a", "its name of 1 bytes goes beyond the headers"),
    "long-name": (b"\x09a\0", "its name of 9 bytes goes beyond the headers"),
    "name-not-utf-8": (header(b"\xff", 0), "can't decode byte 0xff"),
    "string-not-utf-8": (header(b"a", 7, b"\0\x01\xff"), "can't decode byte 0xff"),
    "type-10": (header(b"a", 10), "'a' is of type 10, the last one is 9"),
    "type-255": (header(b"a", 255), "'a' is of type 255"),
    "int32-short": (header(b"a", 4, b"\0\0\0"), "the value of 'a' takes 4 bytes, 3 are left"),
    "no-length": (header(b"a", 7, b"\0"), "the value of 'a' takes 2 bytes, 1 are left"),
    "string-short": (header(b"a", 7, b"\0\x05abcd"), "the value of 'a' takes 5 bytes, 4 are left"),
    "uuid-short": (header(b"a", 9, b"x" * 15), "the value of 'a' takes 16 bytes, 15 are left"),
    "twice": (
        header(b"a", 2, b"\x07") * 2,
        "the name 'a' stands there twice, with the values 7 and 7",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "reason"), BROKEN_HEADERS.values(), ids=BROKEN_HEADERS.keys())
def test_a_broken_header_is_malformed(raw: bytes, reason: str) -> None:
    """Though the checksums are right."""
    good = string("good", "x")
    wire = DELTA + message(good + raw, b"{}")
    outcome = in_every_cut(read_messages, wire)
    message_, error = _failure(wire)

    assert outcome == ([DELTA_FRAME], None, "malformed")
    place = len(DELTA) + 12 + len(good) + (len(raw) // 2 if "twice" in reason else 0)
    assert error.kind == "malformed"
    assert f"the message at offset {len(DELTA)} of the event stream is broken" in message_
    assert f"its header at offset {place} is broken: " in message_
    assert reason in message_


def _failure(wire: bytes, limits: Limits = Limits()) -> tuple[str, FramingError]:
    with pytest.raises(FramingError) as raised:
        AWSEventsFramer(limits).receive_data(wire)
    return str(raised.value), raised.value


# --- checksums and lengths ---


def test_any_flipped_bit_is_found() -> None:
    for at in range(len(DELTA)):
        wire = bytearray(KEEP_ALIVE + DELTA)
        wire[len(KEEP_ALIVE) + at] ^= 1 << at % 8
        outcome = in_every_cut(read_messages, bytes(wire), cuts=lambda data: [in_pieces(data, 1)])

        assert outcome == ([Frame()], None, "malformed"), f"bit {at % 8} of byte {at}"


def test_a_bad_prelude_is_named_with_both_values_and_what_came() -> None:
    said, _ = _failure(b"<html><body>502 Bad Gateway")

    assert said == (
        "the message at offset 0 of the event stream is broken:"
        " the CRC-32 of the prelude is 0x71429e58, but it says 0x6f64793e;"
        " it begins with b'<html><body>'"
    )


def test_a_bad_message_is_named_with_both_values() -> None:
    said, _ = _failure(DELTA + EXCEPTION[:-1] + b"\xc0")

    assert said == (
        "the message at offset 157 of the event stream is broken:"
        " its CRC-32 is 0xc81b1ec1, but it says 0xc81b1ec0"
    )


LENGTHS = {
    "none": (sealed(0, 0, b""), "its length is 0, the least is 16"),
    "fifteen": (sealed(15, 0, b""), "its length is 15, the least is 16"),
    "headers-beyond": (
        sealed(20, 5, b"xxxx"),
        "its headers have 5 bytes, but its length of 20 leaves 4",
    ),
    "headers-too-long": (
        sealed(2**20, MAX_HEADERS_LENGTH + 1, b""),
        "its headers have 131073 bytes, the most is 131072",
    ),
}


@pytest.mark.parametrize(("wire", "reason"), LENGTHS.values(), ids=LENGTHS.keys())
def test_lengths_that_cannot_be(wire: bytes, reason: str) -> None:
    """They are found with the prelude: nothing is waited for."""
    outcome = in_every_cut(read_messages, DELTA + wire[:12])
    said, error = _failure(DELTA + wire[:12])

    assert outcome == ([DELTA_FRAME], None, "malformed")
    assert error.kind == "malformed"
    assert said == f"the message at offset 157 of the event stream is broken: {reason}"


def test_headers_of_exactly_128_kib() -> None:
    raw = b"".join(
        header(name, 6, struct.pack("!H", size) + b"x" * size)
        for name, size in ((b"a", 65535), (b"b", 65527))
    )
    assert len(raw) == MAX_HEADERS_LENGTH

    ((frame,), _, error) = read_messages([message(raw)])
    assert error is None
    assert [name for name, _ in frame.headers] == ["a", "b"]


# --- limits ---


@pytest.mark.parametrize("limit", [15, 16, 156, 157, 158, 1000])
def test_any_limit_is_independent_of_the_cuts(limit: int) -> None:
    wire = KEEP_ALIVE + DELTA + EXCEPTION
    outcome = in_every_cut(partial(read_messages, limits=Limits(max_event_size=limit)), wire)

    sizes = [len(KEEP_ALIVE), len(DELTA), len(EXCEPTION)]
    fitting = next((at for at, size in enumerate(sizes) if size > limit), 3)
    assert outcome.frames == [Frame(), DELTA_FRAME, EXCEPTION_FRAME][:fitting]
    assert outcome.error == (None if fitting == 3 else "limit")


def test_a_message_over_the_limit_is_not_waited_for() -> None:
    """Its prelude is enough, and nothing is kept."""
    framer = AWSEventsFramer(Limits(max_event_size=1000))
    framer.receive_data(DELTA + sealed(1001, 0, b"")[:11])
    with pytest.raises(FramingError) as raised:
        framer.receive_data(sealed(1001, 0, b"")[11:12])

    assert raised.value.kind == "limit"
    assert str(raised.value) == (
        "the message at offset 157 has 1001 bytes, more than max_event_size = 1000;"
        " raise Limits.max_event_size if the service really sends such events"
    )
    assert list(framer.frames) == [DELTA_FRAME]
    assert framer.buffered == 0


def test_buffered() -> None:
    framer = AWSEventsFramer(Limits())
    assert (framer.buffered, framer.peak_buffered, framer.retry) == (0, 0, None)
    for chunk in in_pieces(DELTA[:150], 50):
        framer.receive_data(chunk)
    assert (framer.buffered, framer.peak_buffered) == (150, 150)
    framer.receive_data(DELTA[150:] + DELTA[:20])
    assert (framer.buffered, framer.peak_buffered) == (20, 150)
    framer.receive_eof()
    assert (framer.buffered, framer.peak_buffered) == (0, 150)


@pytest.mark.parametrize("size", [1, 7, 157, 4096, 10**6])
def test_the_work_is_linear(size: int) -> None:
    """However it is cut, each byte is written and looked at a few times, and no more."""
    meter = Meter()
    framer: Any = metered(inspect.getsource(awsevents), "awsevents", meter).AWSEventsFramer
    wire = DELTA * 200 + message(payload=b"x" * 200_000) + DELTA * 200
    reader = framer(Limits())
    for chunk in in_pieces(wire, size):
        reader.receive_data(chunk)

    assert len(reader.frames) == 401
    assert meter.copied <= 6 * len(wire)
    assert meter.searched <= 2 * len(wire)


# --- the mirror ---


@pytest.mark.parametrize("wire", [DELTA, EXCEPTION, KEEP_ALIVE, event("a", "{}")])
def test_what_was_read_is_written_the_same(wire: bytes) -> None:
    (frame,) = read_messages([wire]).frames
    assert AWSEventsFramer.encode(frame) == wire


def test_a_frame_without_headers_is_an_event() -> None:
    assert AWSEventsFramer.encode(Frame(DELTA_FRAME.data, "contentBlockDelta")) == DELTA
    assert AWSEventsFramer.encode(Frame()) == KEEP_ALIVE
    assert AWSEventsFramer.encode(Frame(b"x")) == message(payload=b"x")


header_values = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=8),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
header_names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(
    st.lists(
        st.tuples(header_names, header_values), min_size=1, max_size=6, unique_by=lambda one: one[0]
    ),
    st.binary(max_size=40),
)
def test_headers_and_payload_come_back(said: list[tuple[str, Any]], payload: bytes) -> None:
    wire = AWSEventsFramer.encode(Frame(payload, headers=tuple(said)))
    (frame,) = in_every_cut(read_messages, wire, cuts=every_cut).frames

    assert (frame.data, frame.headers) == (payload, tuple(said))
    assert [type(value) for _, value in frame.headers] == [type(value) for _, value in said]


REFUSED: dict[str, tuple[tuple[tuple[str, Any], ...], str]] = {
    "empty-name": ((("", 1),), "'' cannot be written: the name is empty"),
    "long-name": ((("n" * 256, 1),), "cannot be written: "),
    "surrogate-in-the-name": ((("\ud800", 1),), "surrogates not allowed"),
    "surrogate-in-the-value": ((("a", "\ud800"),), "surrogates not allowed"),
    "long-string": ((("a", "x" * 65536),), "'a' cannot be written: "),
    "long-bytes": ((("a", b"x" * 65536),), "'a' cannot be written: "),
    "large-integer": ((("a", 2**63),), "'a' cannot be written: "),
    "twice": ((("a", 1), ("a", 2)), "a name stands twice in the headers"),
    "more-than-128-kib": (
        tuple((name, b"x" * 65535) for name in "abc"),
        "the headers of a message have 196620 bytes, the most is 131072",
    ),
}


@pytest.mark.parametrize(("headers", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_encode_refuses_what_would_not_parse(
    headers: tuple[tuple[str, Any], ...], reason: str
) -> None:
    with pytest.raises(LocalProtocolError) as raised:
        AWSEventsFramer.encode(Frame(b"", headers=headers))
    assert reason in str(raised.value)


def test_no_bytes_at_all_make_it_raise_anything_else() -> None:
    """Sound checksums around every short run of header bytes."""
    for raw in product((0, 1, 2, 7, 9, 10, 255), repeat=4):
        assert read_messages([message(bytes(raw))]).error in (None, "malformed")
