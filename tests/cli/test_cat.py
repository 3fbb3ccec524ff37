"""``tokenwire cat``: what it prints, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import COMMAND, SECONDS, Recorder, Run, Start, environment

from tokenwire import events
from tokenwire.cli.exits import OF_KIND, Exit
from tokenwire.dialects import available_dialects
from tokenwire.testserver.passage import PASSAGE

WHOLE = b"data: Hello,\n\ndata:  w\xc3\xb6rld\n\ndata: [DONE]\n\n"
FIRST_FIVE = b"A stream is a letter"
"""The first five tokens of the built-in passage."""

posix = pytest.mark.skipif(sys.platform == "win32", reason="ends by signals on POSIX only")


# -- what it prints


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/chat/completions", "openai-chat"),
        ("/v1/messages", "anthropic-messages"),
        ("/api/chat", "ollama-chat"),
        ("/jsonl", "jsonl"),
    ],
)
def test_url(run: Run, url: str, path: str, dialect: str) -> None:
    """The text on standard output, to the byte, and nothing else anywhere."""
    done = run("cat", f"{url}{path}?cut=random", "--dialect", dialect)
    assert (done.returncode, done.stderr) == (Exit.COMPLETE, b"")
    assert done.stdout.decode() == PASSAGE


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_standard_input(run: Run, arguments: tuple[str, ...]) -> None:
    done = run("cat", *arguments, "-d", "sse", data=WHOLE)
    assert (done.returncode, done.stdout) == (Exit.COMPLETE, "Hello, wörld".encode())


def test_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "stream.sse"
    file.write_bytes(WHOLE)
    done = run("cat", str(file), "-d", "sse")
    assert (done.returncode, done.stdout) == (Exit.COMPLETE, "Hello, wörld".encode())


def test_json_has_every_event_and_every_field(run: Run, url: str) -> None:
    done = run("cat", f"{url}/openai-chat?text=Hi%20you", "-d", "openai-chat", "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = ["Started", "Token", "Token", "Finished", "Usage", "Done"]
    assert [one["type"] for one in told] == kinds
    assert told[1] == {"type": "Token", "text": "Hi", "index": 0, "part": 0}
    for one in told:
        fields = set(getattr(events, one["type"]).__struct_fields__) - {"frame"}
        assert set(one) == fields | {"type"}


def test_events_is_one_line_an_event(run: Run) -> None:
    done = run("cat", "-d", "sse", "--events", data=b"data: a\ndata: b\n\n: ping\n\n" + WHOLE[-14:])
    assert done.stdout.decode().splitlines() == [
        "Token        text='a\\nb'",
        "Heartbeat    text='ping'",
        "Done         reason='stop'",
    ]


def test_only_tokens_are_text(run: Run) -> None:
    """Reasoning, refusals and tool calls do not mix with the answer."""
    chunks = [
        {"reasoning_content": "hmm"},
        {"content": "yes"},
        {"refusal": "no"},
        {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]},
    ]
    lines = [{"choices": [{"index": 0, "delta": delta}]} for delta in chunks]
    lines.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    body = "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + "data: [DONE]\n\n"
    done = run("cat", "-d", "openai-chat", data=body.encode())
    assert (done.returncode, done.stdout, done.stderr) == (Exit.COMPLETE, b"yes", b"")


def test_an_answer_without_text_says_so(run: Run) -> None:
    done = run("cat", "-d", "sse", data=b"data: [DONE]\n\n")
    assert (done.returncode, done.stdout) == (Exit.COMPLETE, b"")
    assert b"holds no text; --events shows" in done.stderr


def test_a_length_limit_is_told(run: Run) -> None:
    body = b'{"message":{"content":"a"},"done":true,"done_reason":"length"}\n'
    done = run("cat", "-d", "ollama-chat", data=body)
    assert (done.returncode, done.stdout) == (Exit.COMPLETE, b"a")
    assert b"ended with reason 'length'" in done.stderr


def test_one_of_several_choices(run: Run) -> None:
    def chunk(index: int, text: str | None) -> str:
        delta = {} if text is None else {"content": text}
        finish = "stop" if text is None else None
        choice = {"index": index, "delta": delta, "finish_reason": finish}
        return f"data: {json.dumps({'choices': [choice]})}\n\n"

    body = chunk(0, "a") + chunk(1, "b") + chunk(0, "A") + chunk(0, None) + chunk(1, None)
    body += "data: [DONE]\n\n"
    done = run("cat", "-d", "openai-chat", data=body.encode())
    assert (done.stdout, b"--choice 1" in done.stderr) == (b"aA", True)
    assert run("cat", "-d", "openai-chat", "--choice", "1", data=body.encode()).stdout == b"b"


def test_unreadable_frames_are_told_once(run: Run) -> None:
    """Three warnings would say no more than one and their number; they cost the answer its end."""
    done = run("cat", "-d", "jsonl", data=b'{"text":"a"}\nx\ny\nz\n{"done":true}\n')
    assert (done.returncode, done.stdout) == (Exit.UNREADABLE, b"a")
    assert done.stderr.count(b"tokenwire: warning: ") == 2
    assert b"a piece of it may be missing" in done.stderr
    assert b"3 frames could not be read" in done.stderr


# -- how it ends


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        ("fail=truncate", Exit.TRUNCATED, b"truncated: the answer was cut off"),
        ("fail=drop", Exit.TRANSPORT, b"transport error: the answer was cut off"),
        ("fail=error", Exit.VENDOR, b"vendor error (overloaded_error): the service is overloaded"),
    ],
)
def test_failures_in_mid_answer(run: Run, url: str, query: str, code: int, said: bytes) -> None:
    done = run("cat", f"{url}/v1/messages?{query}", "-d", "anthropic-messages")
    assert (done.returncode, done.stdout) == (code, FIRST_FIVE)
    assert done.stderr.startswith(b"tokenwire: " + said)
    assert b"5 tokens were received" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/sse?fail=429", b"http error (HTTP 429, rate_limit_exceeded): rate limit reached"),
        ("/sse?fail=502", b"(HTTP 502): the server answered 502; a page titled '502 Bad Gateway'"),
        ("/nothing-here", b"http error (HTTP 404): nothing is served at /nothing-here"),
    ],
)
def test_http_errors(run: Run, url: str, path: str, said: bytes) -> None:
    done = run("cat", url + path, "-d", "sse")
    assert (done.returncode, done.stdout) == (Exit.HTTP, b"")
    assert said in done.stderr
    assert b"tokens were received" not in done.stderr
    assert b"429" not in said or done.stderr.endswith(b" Try again in 2 seconds.\n")


def test_silence(run: Run, url: str) -> None:
    done = run("cat", f"{url}/sse?fail=stall", "-d", "sse", "--timeout", "1")
    assert (done.returncode, done.stdout) == (Exit.TIMEOUT, FIRST_FIVE)
    assert done.stderr.startswith(b"tokenwire: timeout: ")
    assert b"--timeout" in done.stderr


def test_silence_before_any_answer(run: Run, url: str) -> None:
    done = run("cat", f"{url}/sse?fail=stall&after=0", "-d", "sse", "--timeout", "1")
    assert (done.returncode, done.stdout) == (Exit.TIMEOUT, b"")


def test_refused_connection(run: Run, closed_port: int) -> None:
    done = run("cat", f"http://user:secret@127.0.0.1:{closed_port}/x?key=secret", "-d", "sse")
    assert (done.returncode, done.stdout) == (Exit.TRANSPORT, b"")
    assert f"cannot connect to 127.0.0.1:{closed_port}".encode() in done.stderr
    assert b"Is the service running" in done.stderr
    assert b"secret" not in done.stderr


def test_truncated_file(run: Run) -> None:
    done = run("cat", "-d", "sse", data=b"data: Hi\n\ndata:  you\n\n")
    assert (done.returncode, done.stdout) == (Exit.TRUNCATED, b"Hi you")
    assert b"2 tokens were received" in done.stderr


def test_one_token(run: Run) -> None:
    assert b"1 token was received" in run("cat", "-d", "sse", data=b"data: Hi\n\n").stderr


def test_not_the_dialect(run: Run) -> None:
    done = run("cat", "-d", "sse", data=b"just some text\n")
    assert done.returncode == Exit.TRUNCATED
    assert b"is --dialect right?" in done.stderr


def test_beyond_a_limit(run: Run) -> None:
    done = run("cat", "-d", "sse", data=b"data: " + b"x" * (17 * 1024 * 1024))
    assert (done.returncode, done.stdout) == (Exit.UNREADABLE, b"")
    assert done.stderr.startswith(b"tokenwire: limit error: ")


def test_every_kind_of_error_has_a_code_of_its_own_or_shares_the_last() -> None:
    codes = [OF_KIND[kind] for kind in ("truncated", "vendor", "http", "transport", "timeout")]
    assert len(set(codes)) == len(codes)
    assert not {Exit.COMPLETE, Exit.FAILED, Exit.USAGE} & set(OF_KIND.values())


def test_dialects_are_listed_where_one_is_not_known(run: Run) -> None:
    done = run("cat", "-", "-d", "nosuch")
    assert done.returncode == Exit.USAGE
    said = f"no dialect is named 'nosuch'; there are: {', '.join(available_dialects())}"
    assert said in done.stderr.decode()


def test_the_dialect_is_found_and_named(run: Run) -> None:
    done = run("cat", data=b'{"model":"m","response":"Hi","done":true,"done_reason":"stop"}\n')
    assert (done.returncode, done.stdout) == (Exit.COMPLETE, b"Hi")
    assert done.stderr.startswith(b"tokenwire: reading ollama-generate: the first event has ")


def test_the_dialect_of_a_url_is_found(run: Run, url: str) -> None:
    done = run("cat", f"{url}/v1/messages?cut=random")
    assert done.returncode == Exit.COMPLETE
    assert done.stderr.startswith(b"tokenwire: reading anthropic-messages: the first event has ")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<html><title>Bad Gateway</title>", b"a page of HTML"),
        (b"\x1f\x8b\x08\0\0\0", b"gzip: let the client decompress it"),
        (b'data: {"what": 1}\n\n', b"no dialect is known that begins like this"),
    ],
)
def test_no_dialect_is_found(run: Run, data: bytes, said: bytes) -> None:
    done = run("cat", data=data)
    assert (done.returncode, done.stdout) == (Exit.UNREADABLE, b"")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no/such/file", "-d", "sse"], "cannot open no/such/file"),
        (["-", "-d", "sse", "--data", "x"], "need a URL"),
        (["http://127.0.0.1/", "-d", "sse", "-H", "no colon"], "a header is written 'Name: value'"),
        (["http://127.0.0.1/", "-d", "sse", "-H", "a: b\nc"], "a header is written"),
        (["http://127.0.0.1:port/", "-d", "sse"], "this request cannot be sent"),
        (["http://127.0.0.1/", "-d", "sse", "--data", "@no/such"], "cannot open no/such"),
        (["-", "-d", "sse", "--timeout", "0"], "--timeout"),
    ],
)
def test_wrong_command_lines(run: Run, arguments: list[str], said: str) -> None:
    done = run("cat", *arguments)
    assert done.returncode == Exit.USAGE
    assert said in done.stderr.decode()


@posix
def test_a_reader_that_leaves_ends_it_quietly(start: Start, url: str) -> None:
    """As ``| head -1`` does. The stream is slow: there is more to write when the pipe closes."""
    process = start("cat", f"{url}/sse?rate=50", "-d", "sse")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith(FIRST_FIVE)
    process.stdout.close()
    assert process.wait(SECONDS) == -signal.SIGPIPE
    assert process.stderr.read() == b""


@posix
def test_it_prints_as_the_text_arrives_and_control_c_ends_it_quietly(
    start: Start, url: str
) -> None:
    """The stream stalls after five tokens: they are out although the answer has no end."""
    process = start("cat", f"{url}/sse?fail=stall", "-d", "sse")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(len(FIRST_FIVE)) == FIRST_FIVE
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(SECONDS) == -signal.SIGINT
    assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    file = tmp_path / "stream"
    file.write_bytes(WHOLE)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, "cat", str(file), "-d", "sse"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            env=environment(),
        )
    assert done.returncode == Exit.FAILED
    assert done.stderr.startswith(b"tokenwire: the output cannot be written: ")
    assert done.stderr.count(b"\n") == 1


# -- the request


def test_a_plain_request(run: Run, recorder: Recorder) -> None:
    assert run("cat", recorder.url + "/a?b=c", "-d", "sse").stdout == b"hello"
    [(method, path, headers, body)] = recorder.requests
    assert (method, path, body) == ("GET", "/a?b=c", b"")
    assert headers["accept"] == "text/event-stream, */*;q=0.1"
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("tokenwire/")
    assert "content-type" not in headers


def test_data_makes_it_a_post_of_json(run: Run, recorder: Recorder) -> None:
    run("cat", recorder.url, "-d", "sse", "--data", '{"a": "ü"}')
    [(method, _, headers, body)] = recorder.requests
    assert (method, body.decode()) == ("POST", '{"a": "ü"}')
    assert headers["content-type"] == "application/json"


def test_data_from_a_file_and_own_headers(run: Run, recorder: Recorder, tmp_path: Path) -> None:
    file = tmp_path / "request"
    file.write_bytes(b"\x00\xff")
    run(
        *("cat", recorder.url, "-d", "sse", "--data", f"@{file}", "-X", "put"),
        *("-H", "Content-Type: text/plain", "-H", "X-Key:  a: b ", "-H", "accept-encoding: gzip"),
    )
    [(method, _, headers, body)] = recorder.requests
    assert (method, body) == ("PUT", b"\x00\xff")
    assert headers["content-type"] == "text/plain"
    assert headers["x-key"] == "a: b"
    assert headers["accept-encoding"] == "gzip"


def test_data_from_standard_input(run: Run, recorder: Recorder) -> None:
    run("cat", recorder.url, "-d", "sse", "--data", "@-", data=b"{}")
    assert recorder.requests[0][3] == b"{}"


def test_redirects_are_followed_only_when_asked(run: Run, recorder: Recorder, url: str) -> None:
    recorder.status = 307
    recorder.headers = {"location": f"{url}/sse", "content-length": "0"}
    recorder.body = b""
    done = run("cat", recorder.url, "-d", "sse")
    assert done.returncode == Exit.HTTP
    assert b"--location" in done.stderr
    done = run("cat", recorder.url, "-d", "sse", "--location")
    assert (done.returncode, done.stdout.decode()) == (Exit.COMPLETE, PASSAGE)


def test_an_endless_redirect(run: Run, recorder: Recorder) -> None:
    recorder.status = 302
    recorder.headers = {"location": "/again", "content-length": "0"}
    recorder.body = b""
    done = run("cat", recorder.url, "-d", "sse", "-L")
    assert (done.returncode, b"redirects" in done.stderr) == (Exit.HTTP, True)
