"""One client's connection to the built-in server: h11 on an anyio stream."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import anyio
import h11
from anyio.abc import SocketStream

from tokenwire import __version__
from tokenwire.errors import LocalProtocolError
from tokenwire.testserver import breakage
from tokenwire.testserver.answer import Answer, Step, Torn
from tokenwire.testserver.routes import METHODS, Headers, Reply, refusal
from tokenwire.testserver.site import Site
from tokenwire.testserver.turns import Turns

# Cookies and signed headers of real clients fit; nginx and Node.js allow about as much.
MAX_HEAD: Final = 64 * 1024
# What Anthropic accepts as one request, images included; the largest such limit in the field.
MAX_BODY: Final = 32 * 1024 * 1024
# A client may think between two requests, but not while it sends one.
IDLE_SECONDS: Final = 75.0
REQUEST_SECONDS: Final = 30.0
# How long, and how much, a client may go on sending a body that was refused. Closing at once would
# reset the connection and take the refusal away before it is read.
LINGER_SECONDS: Final = 2.0
# How long a client may take to leave an answer that has stalled: more than any clock of its own.
STALL_SECONDS: Final = 300.0
# Bytes of a next request that came while an answer runs; a client that sends more is misled.
MAX_AHEAD: Final = 64 * 1024

GONE: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError)


class Connection:
    """Reads requests and sends replies, one after the other, until a side wants no more.

    Args:
        stream: The bytes to and from the client; it is closed at the end.
        site: Gives the replies.
        turns: Knows when the server stops.
    """

    def __init__(self, stream: SocketStream, site: Site, turns: Turns) -> None:
        self._stream = stream
        self._site = site
        self._turns = turns
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._tokens = 0

    async def converse(self) -> None:
        """Serve this client to the end. It raises for no fault of the client's."""
        async with self._stream:
            try:
                while await self._exchange() and not self._turns.stopping:
                    self._http.start_next_cycle()
            except GONE:
                pass
            except TimeoutError:
                self._site.log("closed: a request did not come to its end")
            except h11.RemoteProtocolError as error:
                await self._refuse(error)

    async def _exchange(self) -> bool:
        """One request and its reply. False: the connection is to be closed."""
        request = None
        with self._turns.idle(IDLE_SECONDS):
            request = await self._next_event()
        if not isinstance(request, h11.Request):
            return False
        method, target = request.method.decode(), request.target.decode()
        with anyio.fail_after(REQUEST_SECONDS):
            body = await self._receive_body()
        if body is None:
            reply = refusal(413, f"the request's body is larger than {MAX_BODY} bytes")
            await self._send_reply(reply, bare=method == "HEAD", close=True)
            self._site.log(f"{method} {target}: 413")
            await self._linger()
            return False
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        reply = self._site.reply_to(method, target, headers, body)
        outcome = await self._send_reply(
            reply, bare=method == "HEAD", close=self._turns.stopping, cross=_cross(headers)
        )
        self._site.log(f"{method} {target}: {reply.status}{outcome}")
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _next_event(self) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._receive())
        return event

    async def _receive(self) -> bytes:
        try:
            return await self._stream.receive()
        except anyio.EndOfStream:
            return b""

    async def _receive_body(self) -> bytes | None:
        """The request's body, or None where it is too large."""
        pieces: list[bytes] = []
        size = 0
        while isinstance(event := await self._next_event(), h11.Data):
            size += len(event.data)
            if size > MAX_BODY:
                return None
            pieces.append(bytes(event.data))
        return b"".join(pieces)

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            await self._stream.send(data)

    async def _send_reply(
        self, reply: Reply, *, bare: bool = False, close: bool = False, cross: Headers | None = None
    ) -> str:
        """Send a reply, bare without its body. Gives what the log says about the body."""
        headers = {
            "server": f"tokenwire/{__version__}",
            "date": formatdate(usegmt=True),
            **(cross or {}),
            **reply.headers,
        }
        if isinstance(reply.body, bytes) and reply.status != 204:
            headers["content-length"] = str(len(reply.body))
        if close:
            headers["connection"] = "close"
        reason = HTTPStatus(reply.status).phrase.encode()
        await self._send(
            h11.Response(status_code=reply.status, headers=_raw(headers), reason=reason)
        )
        if isinstance(reply.body, Answer) and not bare:
            return await self._stream_answer(reply.body)
        if isinstance(reply.body, bytes) and reply.body and not bare:
            await self._send(h11.Data(data=reply.body))
        await self._send(h11.EndOfMessage())
        return ""

    async def _stream_answer(self, answer: Answer) -> str:
        self._tokens = 0
        ended = ""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, tasks.cancel_scope)
            with self._turns.answering():
                ended = await self._play(answer)
            tasks.cancel_scope.cancel()
        return f", {self._tokens} tokens, {ended or answer.ending}"

    async def _play(self, answer: Answer) -> str:
        """Send an answer. Gives how it ended where the answer itself cannot know."""
        pace = self._turns.pace(answer.rate)
        try:
            for step in answer.steps():
                match step:
                    case Step.TOKEN:
                        await pace.wait()
                        self._tokens += 1
                    case Step.WAIT:
                        await anyio.sleep(answer.delay)
                    case Step.STALL:
                        await anyio.sleep(STALL_SECONDS)
                        return "stalled"
                    case Step.DROP:
                        return ""
                    case Step.RESET:
                        await breakage.reset(self._stream)
                        return ""
                    case Step.HALF_CLOSE:
                        await self._stream.send_eof()
                        await anyio.sleep(LINGER_SECONDS)  # or until the client leaves
                        return ""
                    case Torn(data):
                        chunked = self._http.their_http_version != b"1.0"
                        await breakage.tear(self._stream, data, chunked=chunked)
                        return ""
                    case _:
                        await self._send(h11.Data(data=step))
            await self._send(h11.EndOfMessage())
        except LocalProtocolError as error:
            return f"broken off: {error}"
        except GONE:
            pass
        return ""

    async def _watch(self, scope: anyio.CancelScope) -> None:
        """Cancel the answer when the client leaves; keep what it sends ahead."""
        ahead = 0
        while ahead <= MAX_AHEAD:
            try:
                data = await self._receive()
            except GONE:
                data = b""
            self._http.receive_data(data)
            if not data:
                scope.cancel()
                return
            ahead += len(data)

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        """Say what was wrong with a request that is no HTTP."""
        self._site.log(f"not HTTP: {error}")
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            try:
                await self._send_reply(refusal(error.error_status_hint, str(error)), close=True)
                await self._linger()
            except GONE:
                pass

    async def _linger(self) -> None:
        """Take in what the client still sends, so that it comes to read the reply."""
        with anyio.move_on_after(LINGER_SECONDS):
            taken = 0
            while taken < MAX_BODY and (data := await self._receive()):
                taken += len(data)


def _cross(asked: Headers) -> Headers:
    """Let pages of any origin read the answer: it is made up, and there is nothing to steal."""
    if "origin" not in asked:
        return {}
    wanted = asked.get("access-control-request-headers", "*")
    return {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": wanted,
        "access-control-expose-headers": "*",
    }


def _raw(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
