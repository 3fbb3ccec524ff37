"""One table of event streams: what https://html.spec.whatwg.org/multipage/server-sent-events.html
and the web platform tests (``eventsource/format-*``, rebuilt in other bytes and words) demand.

`tests/framing/test_sse.py` runs it through the framer, `tests/test_whatwg.py` through the parser.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

BOM = b"\xef\xbb\xbf"

Message: TypeAlias = tuple[str, str, str | None]
"""Event type, data, last event ID; the last is None while the stream has set none."""


def message(data: str, type: str = "message", id: str | None = None) -> Message:
    return type, data, id


class EventStream(NamedTuple):
    name: str
    wire: bytes
    messages: list[Message]
    last_id: str | None = None
    retry: int | None = None


_LINE_ENDS = [
    EventStream(f"line-ends-{name}", wire, [message("one\ntwo"), message("three")])
    for name, wire in {
        "lf": b"data: one\ndata: two\n\ndata: three\n\n",
        "cr": b"data: one\rdata: two\r\rdata: three\r\r",
        "crlf": b"data: one\r\ndata: two\r\n\r\ndata: three\r\n\r\n",
        "lf-then-cr": b"data: one\ndata: two\n\rdata: three\n\r",
        "cr-then-crlf": b"data: one\rdata: two\r\r\ndata: three\r\r\n",
        "crlf-then-lf": b"data: one\r\ndata: two\r\n\ndata: three\r\n\n",
        "crlf-then-cr": b"data: one\r\ndata: two\r\n\rdata: three\r\n\r",
        "lf-then-crlf": b"data: one\ndata: two\n\r\ndata: three\n\r\n",
        "each-another": b"data: one\rdata: two\r\n\ndata: three\n\r\n",
        "blank-lines-all-over": b"\n\r\n\rdata: one\rdata: two\n\n\n\r\r\ndata: three\r\r\r\n\n",
    }.items()
]

_BYTE_ORDER_MARKS = [
    EventStream("bom-before-data", BOM + b"data: hi\n\n", [message("hi")]),
    EventStream("bom-before-type", BOM + b"event: t\ndata: hi\n\n", [message("hi", "t")]),
    EventStream("bom-before-comment", BOM + b": hm\ndata: hi\n\n", [message("hi")]),
    EventStream("bom-before-blank-line", BOM + b"\r\ndata: hi\n\n", [message("hi")]),
    EventStream("bom-alone", BOM, []),
    EventStream("bom-two", BOM + BOM + b"data: lost\ndata: kept\n\n", [message("kept")]),
    EventStream("bom-later", b"data: a\n\n" + BOM + b"data: lost\n\n", [message("a")]),
    EventStream("bom-in-data", b"data:" + BOM + b"x" + BOM + b"\n\n", [message("\ufeffx\ufeff")]),
    EventStream("bom-after-a-line-end", b"\n" + BOM + b"data: lost\n\n", []),
    EventStream("bom-broken-off", BOM[:2], []),
    EventStream("bom-first-byte-only", BOM[:1] + b"data: lost\n\ndata: hi\n\n", [message("hi")]),
    EventStream("bom-two-bytes-only", BOM[:2] + b"data: lost\n\ndata: hi\n\n", [message("hi")]),
    EventStream("bom-utf-16", b"\xff\xfedata: lost\n\ndata: hi\n\n", [message("hi")]),
]

_FIELDS = [
    EventStream("comment-is-silent", b": nothing\n\n:\n\n:data: no\n\n", []),
    EventStream("comment-inside-an-event", b"data: a\n: hm\ndata: b\n:\n\n", [message("a\nb")]),
    EventStream("comment-before-an-event", b":hm\ndata: a\n\n", [message("a")]),
    EventStream("comment-with-colons", b"::data: no\n:: ::\ndata: a\n\n", [message("a")]),
    EventStream("comment-of-bad-utf-8", b": \xff\xc0\n\ndata: a\n\n", [message("a")]),
    EventStream("space-none", b"data:a\n\n", [message("a")]),
    EventStream("space-one", b"data: a\n\n", [message("a")]),
    EventStream("space-two", b"data:  a\n\n", [message(" a")]),
    EventStream("space-alone", b"data: \n\n", [message("")]),
    EventStream("space-after", b"data: a  \n\n", [message("a  ")]),
    EventStream("space-tab", b"data:\ta\ndata: \tb\n\n", [message("\ta\n\tb")]),
    EventStream("space-no-break", "data:\u00a0a\n\n".encode(), [message("\u00a0a")]),
    EventStream("space-in-type", b"event:  t \ndata:a\n\n", [message("a", " t ")]),
    EventStream("space-in-id", b"id:  7 \ndata:a\n\n", [message("a", id=" 7 ")], " 7 "),
    EventStream("colons-in-value", b"data:: a:b:\n\n", [message(": a:b:")]),
    EventStream("unknown-fields", b"dat: a\ndatas: b\nx\ny:\n{}\ndata: c\n\n", [message("c")]),
    EventStream("unknown-fields-alone", b"nothing: here\n\n<html>\n\n", []),
    EventStream("names-upper-case", b"DATA: a\nData: b\nEvent: t\nID: 1\nRetry: 1\n\n", []),
    EventStream("names-space-before", b" data: a\n\tdata: b\ndata: c\n\n", [message("c")]),
    EventStream("names-space-after", b"data : a\nevent : t\nid : 1\ndata: b\n\n", [message("b")]),
    EventStream("names-nul", b"\0data: a\ndata\0: b\ndata: c\n\n", [message("c")]),
    EventStream("names-full-width", "ｄａｔａ: a\ndata： b\n\n".encode(), []),
]

_DATA = [
    EventStream("data-lines", b"data: a\ndata: b\ndata: c\n\n", [message("a\nb\nc")]),
    EventStream("data-no-colon", b"data\n\n", [message("")]),
    EventStream("data-empty", b"data:\n\n", [message("")]),
    EventStream("data-two-empty", b"data\ndata:\n\n", [message("\n")]),
    EventStream("data-leading-empty", b"data:\ndata: a\n\n", [message("\na")]),
    EventStream("data-trailing-empty", b"data: a\ndata:\ndata\ndata: \n\n", [message("a\n\n\n")]),
    EventStream(
        "data-indented", b"data: def f():\ndata:     pass\n\n", [message("def f():\n    pass")]
    ),
    EventStream("data-nul", b"data: a\0b\0\n\n", [message("a\0b\0")]),
    EventStream(
        "data-other-line-ends",
        "data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei\x1fj\n\n".encode(),
        [message("a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei\x1fj")],
    ),
    EventStream(
        "data-other-line-ends-at-the-edges",
        "data:\u2028\x0b\ndata: \x0c\x85\u2029\n\n".encode(),
        [message("\u2028\x0b\n\x0c\x85\u2029")],
    ),
    EventStream("data-escaped-line-end", rb"data: a\nb" b"\n\n", [message(r"a\nb")]),
    EventStream("data-many-lines", b"data:x\n" * 100 + b"\n", [message("\n".join("x" * 100))]),
]

_CHARACTERS = [
    EventStream(f"characters-{name}", b"data: " + sent + b"\n\n", [message(read)])
    for name, sent, read in [
        ("two-bytes", "é".encode(), "é"),
        ("three-bytes", "…".encode(), "…"),
        ("four-bytes", "🦀".encode(), "🦀"),
        ("joined", "👩‍🚀e\u0301".encode(), "👩‍🚀e\u0301"),
        ("bad-byte", b"a\xffb", "a\ufffdb"),
        ("bad-start", b"\x80", "\ufffd"),
        ("bad-cut-short", b"\xf0\x9f\xa6", "\ufffd"),
        ("bad-cut-short-before-a-letter", b"\xe2\x80x", "\ufffdx"),
        ("bad-middle", b"\xe2(\xa1", "\ufffd(\ufffd"),
        ("bad-overlong", b"\xc0\xaf", "\ufffd\ufffd"),
        ("bad-surrogate", b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        ("bad-beyond-unicode", b"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"),
        ("latin-1", "né".encode("latin-1"), "n\ufffd"),
    ]
] + [
    EventStream(
        "characters-cut-by-a-line-end",
        b"data: \xe2\x80\ndata: \xa6\n\n",
        [message("\ufffd\n\ufffd")],
    ),
    EventStream("characters-bad-in-type", b"event: a\xff\ndata: x\n\n", [message("x", "a\ufffd")]),
    EventStream(
        "characters-bad-in-id", b"id: a\xff\ndata: x\n\n", [message("x", id="a\ufffd")], "a\ufffd"
    ),
    EventStream("characters-bad-in-a-name", b"dat\xe1: no\ndata: x\n\n", [message("x")]),
    EventStream(
        "characters-in-type-and-id",
        "event: größe\nid: №1\ndata: x\n\n".encode(),
        [message("x", "größe", "№1")],
        "№1",
    ),
]

_TYPES = [
    EventStream("type-before-data", b"event: t\ndata: a\n\n", [message("a", "t")]),
    EventStream("type-after-data", b"data: a\nevent: t\n\n", [message("a", "t")]),
    EventStream("type-between-data", b"data: a\nevent: t\ndata: b\n\n", [message("a\nb", "t")]),
    EventStream("type-last-one-counts", b"event: t\nevent: u\ndata: a\n\n", [message("a", "u")]),
    EventStream("type-empty-is-message", b"event: t\nevent:\ndata: a\n\n", [message("a")]),
    EventStream("type-no-colon-is-message", b"event: t\nevent\ndata: a\n\n", [message("a")]),
    EventStream("type-of-one-event", b"event: t\ndata: a\n\ndata: b\n\n", [message("a", "t"), message("b")]),
    EventStream("type-without-data-is-silent", b"event: t\n\n", []),
    EventStream("type-without-data-is-forgotten", b"event: t\n\ndata: a\n\n", [message("a")]),
    EventStream("type-nul", b"event: a\0b\ndata: x\n\n", [message("x", "a\0b")]),
]  # fmt: skip

_IDS = [
    EventStream("id", b"id: 1\ndata: a\n\n", [message("a", id="1")], "1"),
    EventStream("id-after-data", b"data: a\nid: 1\n\n", [message("a", id="1")], "1"),
    EventStream(
        "id-sticky",
        b"id: 1\ndata: a\n\ndata: b\n\nevent: t\ndata: c\n\n",
        [message("a", id="1"), message("b", id="1"), message("c", "t", "1")],
        "1",
    ),
    EventStream("id-not-before-it-comes", b"data: a\n\nid: 1\ndata: b\n\n", [message("a"), message("b", id="1")], "1"),
    EventStream("id-last-one-counts", b"id: 1\nid: 2\ndata: a\n\n", [message("a", id="2")], "2"),
    EventStream("id-empty-resets", b"id: 1\ndata: a\n\nid:\ndata: b\n\n", [message("a", id="1"), message("b", id="")], ""),
    EventStream("id-no-colon-resets", b"id: 1\ndata: a\n\nid\ndata: b\n\n", [message("a", id="1"), message("b", id="")], ""),
    EventStream("id-nul-is-ignored", b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", [message("a", id="1"), message("b", id="1")], "1"),
    EventStream("id-nul-leaves-the-one-before", b"id: 1\nid: \0\ndata: a\n\n", [message("a", id="1")], "1"),
    EventStream("id-without-data-is-kept", b"id: 1\n\n", [], "1"),
    EventStream("id-without-data-counts-later", b"id: 1\n\ndata: a\n\n", [message("a", id="1")], "1"),
    EventStream("id-and-empty-data", b"id: 1\ndata:\n\n", [message("", id="1")], "1"),
    EventStream("id-reset-without-data", b"id: 1\n\nid\n\n", [], ""),
    EventStream("id-after-a-comment-block", b"id: 1\n\n: ping\n\ndata: a\n\n", [message("a", id="1")], "1"),
]  # fmt: skip

_RETRIES = [
    EventStream(f"retry-{name}", b"retry:" + sent + b"\ndata: a\n\n", [message("a")], None, read)
    for name, sent, read in [
        ("digits", b"1500", 1500),
        ("after-a-space", b" 1500", 1500),
        ("zero", b"0", 0),
        ("leading-zeros", b"000070", 70),
        ("empty", b"", None),
        ("space-alone", b" ", None),
        ("negative", b"-1", None),
        ("plus", b"+5", None),
        ("underscore", b"1_000", None),
        ("padded-before", b"  7", None),
        ("padded-after", b"7 ", None),
        ("tab", b"\t7", None),
        ("decimal", b"1.5", None),
        ("exponent", b"1e3", None),
        ("hexadecimal", b"0x10", None),
        ("letters-after", b"10s", None),
        ("nul", b"1\0", None),
        ("arabic-digits", "١٢".encode(), None),
        ("full-width-digits", "１２".encode(), None),
        ("superscript", "5²".encode(), None),
        ("latin-1-superscript", b"5\xb2", None),
        ("twelve-digits", b"9" * 12, 10**12 - 1),
        ("thirteen-digits", b"1" + b"0" * 12, 10**12),
        ("twenty-digits", b"9" * 20, 10**12),
        ("zeros-before-a-digit", b"0" * 40 + b"7", 7),
    ]
] + [
    EventStream("retry-no-colon", b"retry\ndata: a\n\n", [message("a")]),
    EventStream("retry-alone", b"retry: 20\n\n", [], None, 20),
    EventStream("retry-last-one-counts", b"retry: 20\nretry: 30\n\nretry: 40\n\n", [], None, 40),
    EventStream("retry-odd-one-leaves-it", b"retry: 20\nretry: -1\nretry\nretry:x\n\n", [], None, 20),
    EventStream("retry-counts-when-its-line-ends", b"retry: 20\n", [], None, 20),
    EventStream("retry-without-line-end", b"retry: 20", []),
    EventStream("retry-names-no-event", b"retry: 20\ndata: a\n\ndata: b\n\n", [message("a"), message("b")], None, 20),
]  # fmt: skip

_ENDS = [
    EventStream("end-empty-stream", b"", []),
    EventStream("end-blank-lines", b"\n\r\n\r", []),
    EventStream("end-without-blank-line", b"data: a\n\ndata: lost\n", [message("a")]),
    EventStream("end-without-line-end", b"data: a\n\ndata: lost", [message("a")]),
    EventStream("end-in-a-name", b"data: a\n\ndat", [message("a")]),
    EventStream("end-with-json", b'data: a\n\ndata: {"lost": 1}', [message("a")]),
    EventStream("end-with-sentinel", b"data: a\n\ndata: [DONE]\n", [message("a")]),
    EventStream("end-in-a-comment", b"data: a\n\n: hm", [message("a")]),
    EventStream("end-after-one-cr", b"data: a\r\rdata: lost\r", [message("a")]),
    EventStream("end-after-two-cr", b"data: a\r\r", [message("a")]),
    EventStream("end-after-crlf", b"data: a\r\n\r\ndata: lost\r\n", [message("a")]),
    EventStream("end-with-a-type", b"data: a\n\ndata: lost\nevent: t", [message("a")]),
    EventStream("end-with-an-id", b"id: 1\ndata: a\n\nid: 2\ndata: lost\n", [message("a", id="1")], "1"),
    EventStream("end-with-an-id-alone", b"id: 1\ndata: a\n\nid: 2\n", [message("a", id="1")], "1"),
    EventStream("end-with-a-reset", b"id: 1\ndata: a\n\nid\n", [message("a", id="1")], "1"),
    EventStream("end-inside-an-id", b"id: 1\ndata: a\n\nid: 2", [message("a", id="1")], "1"),
]  # fmt: skip

_SPEC_EXAMPLES = [
    EventStream("spec-quote-in-three-lines", b"data: ACME\ndata: +3\ndata: 17\n\n", [message("ACME\n+3\n17")]),
    EventStream(
        "spec-three-messages",
        b"data: The first.\n\ndata: The second, of\ndata: two lines.\n\ndata: The third.\n\n",
        [message("The first."), message("The second, of\ntwo lines."), message("The third.")],
    ),
    EventStream(
        "spec-named-events",
        b"event: join\ndata: 41\n\nevent: leave\ndata: 7\n\nevent: join\ndata: 1200\n\n",
        [message("41", "join"), message("7", "leave"), message("1200", "join")],
    ),
    EventStream(
        "spec-four-blocks",
        b": a stream to try\n\ndata: one event\nid: 1\n\ndata:another event\nid\n\ndata:  a third event",
        [message("one event", id="1"), message("another event", id="")],
        "",
    ),
    EventStream(
        "spec-four-blocks-with-its-blank-line",
        b": a stream to try\n\ndata: one event\nid: 1\n\ndata:another event\nid\n\ndata:  a third event\n\n",
        [message("one event", id="1"), message("another event", id=""), message(" a third event", id="")],
        "",
    ),
    EventStream("spec-empty-data", b"data\n\ndata\ndata\n\ndata:", [message(""), message("\n")]),
    EventStream("spec-space-is-optional", b"data:same\n\ndata: same\n\n", [message("same"), message("same")]),
]  # fmt: skip

_LONG_COMMENT = b":" + b"z" * 2048

_WEB_PLATFORM_TESTS = [
    EventStream("wpt-bom", BOM + b"data:A\n\n" + BOM + b"data:B\n\ndata:C\n\n", [message("A"), message("C")]),
    EventStream("wpt-bom-2", BOM * 2 + b"data:A\n\ndata:B\n\ndata:C\n\n", [message("B"), message("C")]),
    EventStream(
        "wpt-comments",
        b"data:A\r:\0\n:\r\ndata:B\n" + _LONG_COMMENT + b"\rdata:C\n:data:no\r" + _LONG_COMMENT + b"\ndata:D\n\n",
        [message("A\nB\nC\nD")],
    ),
    EventStream(
        "wpt-data-before-final-empty-line",
        b"retry:900\ndata:first\n\nid:mark\ndata:second",
        [message("first")],
        None,
        900,
    ),
    EventStream("wpt-field-data", b"data:\n\ndata\ndata\n\ndata:end\n\n", [message(""), message("\n"), message("end")]),
    EventStream("wpt-field-empty", b"event:\ndata:\n\nevent\ndata\n\n", [message(""), message("")]),
    EventStream("wpt-field-event", b"event:kind\ndata:A\n\ndata:A\n\n", [message("A", "kind"), message("A")]),
    EventStream("wpt-field-event-empty", b"event: \ndata:data\n\n", [message("data")]),
    EventStream("wpt-field-id", "data:A\nid:…\n\ndata:B\n\n".encode(), [message("A", id="…"), message("B", id="…")], "…"),
    EventStream(
        "wpt-field-id-2",
        b"id:one\ndata:A\n\ndata:B\n\nid\ndata:C\n\nid: two\ndata:D\n\n",
        [message("A", id="one"), message("B", id="one"), message("C", id=""), message("D", id="two")],
        "two",
    ),
    *(
        EventStream(f"wpt-field-id-null-{at}", b"id:" + id + b"\ndata:A\n\n", [message("A")])
        for at, id in enumerate([b"\0\0", b"y\0", b"\0y", b"y\0y", b" \0"])
    ),
    EventStream(
        "wpt-field-parsing",
        b"data:\0\ndata:  A\rData:no\ndata\0:no\ndata:B\r\0data:no\nda-ta:no\rdata_9:no\ndata:C\rdata:\r\n data:no\ndata:D\n\n",
        [message("\0\n A\nB\nC\n\nD")],
    ),
    EventStream("wpt-field-retry", b"retry:04000\ndata:A\n\n", [message("A")], None, 4000),
    EventStream("wpt-field-retry-bogus", b"retry:4000\nretry:2000y\ndata:A\n\n", [message("A")], None, 4000),
    EventStream("wpt-field-retry-empty", b"retry\ndata:A\n\n", [message("A")]),
    EventStream(
        "wpt-field-unknown",
        b"data:A\n data\ndata\nwhat:ever\nmere words\n:and a comment\ndata:B\n\n",
        [message("A\n\nB")],
    ),
    EventStream("wpt-leading-space", b"data:\tA\rdata: \ndata:B\n\n", [message("\tA\n\nB")]),
    EventStream("wpt-newlines", b"data:A\r\ndata\ndata:B\r\n\r", [message("A\n\nB")]),
    EventStream("wpt-null-character", b"data:\0\n\n\n\n", [message("\0")]),
    EventStream("wpt-utf-8", "data:naïve – ünïcode…\n\n".encode(), [message("naïve – ünïcode…")]),
]  # fmt: skip

EVENT_STREAMS = [
    *_LINE_ENDS,
    *_BYTE_ORDER_MARKS,
    *_FIELDS,
    *_DATA,
    *_CHARACTERS,
    *_TYPES,
    *_IDS,
    *_RETRIES,
    *_ENDS,
    *_SPEC_EXAMPLES,
    *_WEB_PLATFORM_TESTS,
]
