"""`RedisBreakerStore` before servers that are no Redis: whatever they say, calls pass."""

from __future__ import annotations

import socket
import threading
from typing import Any, cast

import pytest
import redis

from tokenwire import Done
from tokenwire.adapters.redis import RedisBreakerStore
from tokenwire.resume import BreakerState, BreakerStoreError, CircuitBreaker, Permit

DEEP: Any = []
for _ in range(5000):
    DEEP = [DEEP]


class Client:
    """Whatever a script is asked, this is the reply, or what is raised."""

    def __init__(self, reply: Any) -> None:
        self.reply = reply

    def register_script(self, _: str) -> Any:
        def run(**_: Any) -> Any:
            if isinstance(self.reply, BaseException):
                raise self.reply
            return self.reply

        return run


REPLIES: list[Any] = [
    *(None, 1, 1.5, True, b"", b"OK", "OK", [], [1], [1, 2, 3], {}, DEEP),
    *([None, None], [[], None], [[b"x", b"y"], None], [[None, None], None], [[1, 2, 3], b"{}"]),
    *([[b"9" * 5000, b"0"], None], [[10**400, 0], None], [["1", "2"], 5], [[1, 2], []]),
    *([[1, 2], b"{"], [[1, 2], b"[]"], [[1, 2], b"[" * 5000 + b"]" * 5000], [[1, 2], b"\xff"]),
    *([[1, 2], b'{"window":[[]]}'], [[1, 2], b'{"circuit":"ajar"}'], [[1, 2], b'{"version":"1"}']),
    *(TypeError("shape"), ValueError("no number"), RecursionError(), IndexError(), KeyError("id")),
    *(redis.RedisError("away"), OSError("away"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")),
]


@pytest.mark.parametrize(
    "reply", REPLIES, ids=lambda reply: repr(reply)[:40] if reply is not DEEP else "deep"
)
def test_no_reply_escapes_as_another_exception(reply: Any) -> None:
    store = RedisBreakerStore(cast("Any", Client(reply)), pause=0)
    with pytest.raises(BreakerStoreError):
        store.load("api")
    if type(reply) is not int:  # which is what the script answers
        with pytest.raises(BreakerStoreError):
            store.save("api", BreakerState(), expected=0)
    breaker = CircuitBreaker(name="api", store=store)
    passed = breaker.acquire(0)
    assert isinstance(passed, Permit)
    breaker.record(passed, Done("stop"), 1)
    assert not breaker.health(2).reachable
    assert breaker.stats().unreachable == 2


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b":abc\r\n",
        b"*1\r\n" * 3000 + b":1\r\n",
        b"$-5\r\n",
        b"*x\r\n",
        b"%1\r\n*0\r\n:1\r\n",
        b"#maybe\r\n",
        b"\xff\xfe\r\n" * 50,
    ],
)
def test_bytes_that_are_no_redis(sent: bytes) -> None:
    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(sent)
                connection.settimeout(1)
                try:
                    while connection.recv(65536):
                        pass
                except OSError:
                    pass

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    store = RedisBreakerStore.from_url(f"redis://127.0.0.1:{listener.getsockname()[1]}", pause=0)
    try:
        with pytest.raises(BreakerStoreError):
            store.load("api")
    finally:
        store.close()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
