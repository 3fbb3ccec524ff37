"""`Request`: a value that can be sent again, and never gives a secret to a stranger."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.request import Known, Request, is_telltale, segment, words_of

HOME = "https://api.example.com/v1/answers?api-version=3"
SECRETS = (
    ("Authorization", "Bearer sk-1"),
    ("proxy-authorization", "Basic eA=="),
    ("Cookie", "a=b"),
    ("X-API-Key", "sk-1"),
    ("api-key", "sk-1"),
    ("x-goog-api-key", "sk-1"),
    ("Ocp-Apim-Subscription-Key", "sk-1"),
    ("cf-aig-authorization", "Bearer sk-1"),
    ("X-Auth-Token", "sk-1"),
    ("X-Amz-Security-Token", "sk-1"),
    ("X-Client-Secret", "sk-1"),
    ("X-Password", "sk-1"),
    ("X-Signature", "sk-1"),
    ("X-Credential", "sk-1"),
    ("Mcp-Session-Id", "s-1"),
    ("Host", "api.example.com"),
)
OPEN = (("Accept", "text/event-stream"), ("User-Agent", "me"), ("Last-Event-ID", "7"))


def post(url: str = HOME, body: bytes | None = b"{}", **headers: str) -> Request:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request("POST", url, named, body)


# --- what can be sent ---


@pytest.mark.parametrize("method", ["GET", "POST", "REPORT", "M-SEARCH"])
@pytest.mark.parametrize("url", [HOME, "HTTP://[::1]:8080", "https://u:p@exämple.com:1/ä?b#c"])
@pytest.mark.parametrize("headers", [(), SECRETS + OPEN, (("X", ""), ("x", "é\t日"))])
@pytest.mark.parametrize("body", [None, b"", b"\x00"])
def test_what_can_be_sent(
    method: str, url: str, headers: tuple[tuple[str, str], ...], body: bytes | None
) -> None:
    request = Request(method, url, headers, body)
    assert (request.method, request.url) == (method, url)
    assert (request.headers, request.body) == (headers, body)
    assert msgspec.json.decode(msgspec.json.encode(request), type=Request) == request
    assert hash(request) == hash(Request(method, url, headers, body))


@pytest.mark.parametrize("method", ["", "GET ", "GET /", "GET\r\nX: y", "GÉT", "GET\n"])
def test_a_method_is_one_word(method: str) -> None:
    with pytest.raises(ValueError, match="method must be one word"):
        Request(method, HOME)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "begin with http:// or https://"),
        ("/v1/answers", "begin with http:// or https://"),
        ("//api.example.com", "begin with http:// or https://"),
        ("api.example.com:80/v1", "begin with http:// or https://"),
        ("ftp://api.example.com", "begin with http:// or https://"),
        ("file:///etc/passwd", "begin with http:// or https://"),
        ("javascript:alert(1)", "begin with http:// or https://"),
        ("https:///v1", "and a host"),
        ("https://:80/v1", "and a host"),
        ("https://user@/v1", "and a host"),
        ("https://api.example.com:port/", "is no URL"),
        ("https://api.example.com:65536/", "is no URL"),
        ("https://[::1/", "is no URL"),
        ("https://api.example.com/a b", "percent-encode"),
        ("https://api.example.com/a\r\nX: y", "percent-encode"),
        ("https://api.example.com/\x00", "percent-encode"),
        ("\nhttps://api.example.com/", "percent-encode"),
        # to some clients a path at evil.example, to others a user's name at api.example.com
        ("https://evil.example\\@api.example.com/", "percent-encode"),
    ],
)
def test_a_url_leads_somewhere(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Request("GET", url)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ä", "a\x00"])
def test_a_header_has_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a header"):
        Request("GET", HOME, ((name, "x"),))


@pytest.mark.parametrize("value", ["a\rb", "a\n", "\nX: y", "a\x00b"])
def test_no_header_holds_another(value: str) -> None:
    with pytest.raises(ValueError, match="Authorization has a line end") as raised:
        Request("GET", HOME, (("Authorization", value),))
    assert value not in str(raised.value), "a secret in an error message ends up in a log"


@pytest.mark.parametrize("headers", [{"ab": "c"}, [("a", "b")], None])
def test_headers_are_a_tuple(headers: Any) -> None:
    with pytest.raises(TypeError, match=r"give tuple\(headers\.items\(\)\)"):
        Request("POST", HOME, headers)


def test_a_change_is_checked_too() -> None:
    with pytest.raises(ValueError, match="line end"):
        post().with_header("X", "a\nb")
    with pytest.raises(ValueError, match="percent-encode"):
        post().with_path("/a b")


# --- changes ---


def test_headers() -> None:
    request = Request("GET", HOME, (("A", "1"), ("b", "2"), ("a", "3")))
    assert (request.header("a"), request.header("B"), request.header("c")) == ("1", "2", None)
    assert request.with_header("a", "4").headers == (("b", "2"), ("a", "4"))
    assert request.with_header("A", None).headers == (("b", "2"),)
    assert request.with_header("c", None) == request


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "?from=1&stream=true"),
        ("?", "?from=1&stream=true"),
        ("?a=1&from=0&b=2&from", "?a=1&b=2&from=1&stream=true"),
        ("?fr%6Fm=9", "?from=1&stream=true"),
        # what a signature may be made of stays to the letter
        ("?sig=a%2fb+c&x&&y=%ff=", "?sig=a%2fb+c&x&y=%ff=&from=1&stream=true"),
        ("?a=1#end", "?a=1&from=1&stream=true#end"),
    ],
)
def test_query(before: str, after: str) -> None:
    request = post("https://a.example/v1" + before)
    changed = request.with_query(**{"from": 1}, stream="true")
    assert changed == post("https://a.example/v1" + after)


@pytest.mark.parametrize(
    ("value", "written"), [("a&b=c d", "a%26b%3Dc%20d"), ("é/+", "%C3%A9%2F%2B"), ("\udc80", "%3F")]
)
def test_values_in_a_query_are_encoded(value: str, written: str) -> None:
    assert post("http://a.example").with_query(id=value).url == f"http://a.example?id={written}"


def test_path() -> None:
    assert post().path == "/v1/answers"
    assert post().with_path("/v2/a%20b").url == "https://api.example.com/v2/a%20b?api-version=3"


@pytest.mark.parametrize("piece", [None, "", ".", "..", "..."])
def test_what_is_no_piece_of_a_path(piece: str | None) -> None:
    assert segment(piece) is None


@pytest.mark.parametrize(
    ("text", "piece"),
    [("resp_1", "resp_1"), ("../a?b#c", "..%2Fa%3Fb%23c"), ("ä\udc80", "%C3%A4%3F")],
)
def test_a_piece_of_a_path_stays_one(text: str, piece: str) -> None:
    assert segment(text) == piece


@pytest.mark.parametrize(
    "body", [None, b"", b"{", b"[1]", b"\xff", b'"a"', b"{} {}", b'{"a":NaN}', b"[" * 5000]
)
def test_a_body_without_fields(body: bytes | None) -> None:
    assert post(body=body).fields == {}
    assert post(body=body).with_field("a", 1) is None


def test_fields() -> None:
    request = post(body=b'{"stream": true, "n": [1]}')
    assert request.fields == {"stream": True, "n": [1]}


def test_a_field_is_set_and_the_others_stay_to_the_letter() -> None:
    request = post(
        body=b'{"from": 1, "big": 123456789012345678901234567890, "real": 1.0e0, "text": "\\u00e9"}',
        Content_Length="93",
        Content_Type="application/json",
    )
    changed = request.with_field("from", 7)
    assert changed == post(
        body=b'{"from":7,"big":123456789012345678901234567890,"real":1.0e0,"text":"\\u00e9"}',
        Content_Type="application/json",
    )
    added = post(body=b"{}").with_field("a", None)
    assert added is not None
    assert added.body == b'{"a":null}'


def test_as_get() -> None:
    about_body = {
        "Content_Type": "application/json",
        "content_length": "2",
        "Content_Encoding": "gzip",
        "Transfer_Encoding": "chunked",
        "Expect": "100-continue",
        "Idempotency_Key": "1",
    }
    kept = {"Authorization": "Bearer sk-1", "Accept": "text/event-stream"}
    request = post(**about_body, **kept)
    assert request.as_get() == Request("GET", HOME, tuple(kept.items()))
    assert request.as_get().as_get() == request.as_get()


@pytest.mark.parametrize(
    ("method", "path", "id", "there"),
    [
        ("POST", "/v1/answers", "a/1", "/v1/answers/a%2F1"),
        ("POST", "/v1/answers/", "a1", "/v1/answers/a1"),
        ("POST", "/v1/answers", None, None),
        ("POST", "/v1/answers", "..", None),
        ("GET", "/v1/answers/a0", "a1", "/v1/answers/a0"),
        ("GET", "/v1/answers/a0", None, "/v1/answers/a0"),
    ],
)
def test_a_get_of_what_was_made(method: str, path: str, id: str | None, there: str | None) -> None:
    url = "https://api.example.com{}?api-version=3"
    got = Request(method, url.format(path), SECRETS).as_get_of(id)
    assert got == (there and Request("GET", url.format(there), SECRETS))


# --- whose is it? ---


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("", HOME),
        ("?a=b", "https://api.example.com/v1/answers?a=b"),
        ("/v2", "https://api.example.com/v2"),
        ("other/1", "https://api.example.com/v1/other/1"),
        ("../x", "https://api.example.com/x"),
        ("//api.example.com/x", "https://api.example.com/x"),
        ("https://API.example.COM:443/x", "https://API.example.COM:443/x"),
        ("https://me:pw@api.example.com/x", "https://me:pw@api.example.com/x"),
    ],
)
def test_at_the_same_origin_all_headers_go_along(reference: str, url: str) -> None:
    assert post(**dict(SECRETS + OPEN)).with_url(reference) == post(url, **dict(SECRETS + OPEN))


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/x",
        "http://api.example.com:443/x",
        "https://api.example.com:8443/x",
        "https://evil.example/x",
        "https://example.com/x",
        "https://api.example.com.evil.example/x",
        "https://api.example.com@evil.example/x",
        "https://api.example.com./x",
    ],
)
def test_another_origin_gets_no_secret(url: str) -> None:
    request = post(**dict(SECRETS + OPEN))
    assert request.with_url(url) == post(url, **dict(OPEN))
    if url.startswith("https:"):
        assert request.with_url(url.removeprefix("https:")) == post(url, **dict(OPEN))


def test_http_has_a_port_of_its_own() -> None:
    request = Request("GET", "http://a.example/", SECRETS)
    assert request.with_url("http://a.example:80/x").headers == SECRETS
    assert request.with_url("http://a.example:443/x").headers == ()
    assert request.with_url("https://a.example/x").headers == ()


@pytest.mark.parametrize(
    "reference",
    [
        "file:///etc/passwd",
        "http://",
        "//[",
        "https://a:b",
        "https://evil.example\\@api.example.com/",
    ],
)
def test_a_reference_that_leads_nowhere(reference: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        post().with_url(reference)


@given(
    reference=st.text("/\\@:?#.[]ab \t\n%1\x00")
    | st.from_regex(r"(https?:)?//[ab.@:/?#\\]{1,9}", fullmatch=True)
    | st.from_regex(r"(https?:)?//([ab]?@)?a\.b[@:/?#.\\ab]{0,5}", fullmatch=True),
)
def test_no_reference_takes_a_secret_elsewhere(reference: str) -> None:
    home = Request("GET", "https://a.b/", (("Authorization", "Bearer sk-1"),))
    try:
        moved = home.with_url(reference)
    except ValueError:
        return
    if moved.headers:
        assert re.fullmatch(r"https://([^/?#]*@)?a\.b(:(443)?)?([/?#].*)?", moved.url)


def test_known() -> None:
    assert Known() == Known(None, {})
    assert Known("a", {"location": "/x"}).headers["location"] == "/x"


# --- shown to people ---

KEY = "sk-live-0123"


@pytest.mark.parametrize("name", [name for name, _ in SECRETS if name != "Host"])
def test_a_secret_header_is_not_shown(name: str) -> None:
    request = post(body=b"what", **{name: KEY})
    for shown in (repr(request), str(request), f"{request}", repr([request])):
        assert KEY not in shown
        assert f"({name!r}, '***')" in shown
        assert "b'what'" in shown


def test_the_rest_is_readable() -> None:
    request = post(Authorization=f"Bearer {KEY}", Accept="text/event-stream", Idempotency_Key="7")
    assert repr(request) == (
        "Request(method='POST', url='https://api.example.com/v1/answers?api-version=3', headers=("
        "('Authorization', 'Bearer ***'), ('Accept', 'text/event-stream'),"
        " ('Idempotency-Key', '7')), body=b'{}')"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.b/v1beta/m?key=AIza1&alt=sse", "https://a.b/v1beta/m?key=***&alt=sse"),
        ("https://a.b/?alt=sse&api_key=abcd#x", "https://a.b/?alt=sse&api_key=***#x"),
        ("https://a.b/?X-Amz-Signature=0a&x=1", "https://a.b/?X-Amz-Signature=***&x=1"),
        ("https://a.b/?accessToken=0a&sig=b%2Bc", "https://a.b/?accessToken=***&sig=***"),
        ("https://me:word@a.b:8/?x=1", "https://me:***@a.b:8/?x=1"),
        ("https://a.b/key=1?max_tokens=5&last_event_id=7", None),
    ],
)
def test_a_secret_in_the_url_is_not_shown(url: str, shown: str | None) -> None:
    assert f"url={(shown or url)!r}," in repr(Request("GET", url))


@pytest.mark.parametrize(
    "made",
    [
        lambda: Request("GET", f"ftp://a.b/?key={KEY}"),
        lambda: Request("GET", f"https://a.b/?key={KEY}&x=a b"),
        lambda: Request("GET", f"https://me:{KEY}@[::1/"),
        lambda: Request("GET", HOME, ((f"Authorization: Bearer {KEY}", ""),)),
        lambda: Request("GET", HOME, (("Authorization", f"Bearer {KEY}\n"),)),
        lambda: post(HOME).with_url(f"ftp://a.b/?key={KEY}"),
    ],
)
def test_no_error_tells_a_secret(made: Any) -> None:
    with pytest.raises(ValueError) as raised:
        made()
    assert KEY not in str(raised.value)
    assert raised.value.__cause__ is None


def test_what_a_client_says_is_told_without_secrets() -> None:
    request = post(
        f"https://a.b/v1?key={KEY}%2B",
        Authorization="Bearer tok-1",
        Cookie="id=cook-1; b=2",
        X_Api_Key="abc",
    )
    said = f"url: /v1?key={KEY}%2B (tok-1, {KEY}+, 'cook-1', abc) at https://x:passw@a.b"
    assert request.masked(said) == "url: /v1?key=*** (***, ***, '***', abc) at https://x:***@a.b"


@pytest.mark.parametrize(
    "said",
    [
        "<CIMultiDictProxy('Host': 'a.b', 'Authorization': 'Bearer {}', 'X-Client': '2')>",
        "raw_headers=((b'Set-Cookie', b'sid={}; Path=/'), (b'X-Client', b'2'))",
        "Headers({{'x-api-key': '{}', 'x-client': '2'}})",
        'illegal header line: bytearray(b"Proxy-Authorization: Basic {}")',
        "Max retries exceeded with url: /v1?key={} (Caused by NewConnectionError())",
        "cannot connect to https://me:{}@a.b:443",
        "api-key: {}\r\nX-Client: 2",
    ],
)
def test_no_exception_of_a_client_tells_a_secret(said: str) -> None:
    shown = words_of(KeyError(said.format(KEY)))
    assert shown.startswith("KeyError(")
    assert KEY not in shown
    assert "***" in shown
    hidden, seen = ValueError("no"), ValueError("no")
    hidden.__cause__ = ExceptionGroup("several", [OSError(said.format(KEY))])
    hidden.__cause__.__context__ = hidden  # a circle
    seen.__cause__ = OSError("reset by peer")
    assert is_telltale(hidden)
    assert not is_telltale(seen)


def test_what_only_the_request_knows_to_be_secret() -> None:
    error = OSError(f"no answer to {KEY}")
    assert is_telltale(error, post(HOME, X_Api_Key=KEY))
    assert not is_telltale(error, post(HOME))


def test_what_a_client_says_has_a_length() -> None:
    assert words_of(OSError()) == "OSError()"
    assert words_of(OSError("x" * 5000)) == f"OSError('{'x' * 1000}...')"


def test_what_is_known_is_shown_without_secrets() -> None:
    known = Known("a", {"location": "/x", "set-cookie": KEY, "mcp-session-id": KEY})
    assert repr(known) == (
        "Known(id='a', headers={'location': '/x', 'set-cookie': '***', 'mcp-session-id': '***'})"
    )


# --- what can be read only once ---


def _words() -> Iterator[bytes]:
    yield b"a"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (_words(), r"not generator: a request that may be sent again .* b''\.join"),
        (iter([b"a"]), "not list_iterator: "),
        (io.BytesIO(b"a"), r"not BytesIO: .* \.read\(\)"),
        (bytearray(b"a"), "not bytearray"),
        ({"a": 1}, "not dict"),
        ("a", r"not str: encode it"),
    ],
)
def test_a_body_that_can_be_read_only_once(body: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        Request("POST", HOME, (), body)
