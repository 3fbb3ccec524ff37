"""``langgraph``: runs of LangGraph's platform, and LangServe.

Source: https://docs.langchain.com/langsmith/streaming, the SDK ``langgraph-sdk``, the servers
``langgraph-api`` and ``langserve``.

LangGraph names each event by its stream mode, and after it the subgraph (``messages|agent:1``).
`Token` comes of chat messages alone: ``messages`` (deltas), ``messages/partial`` and
``messages/complete`` (whole texts), and LangServe's ``data``. Each message is a ``part``, in order
of arrival. What comes in other modes is `Data`, of the event's name.

``end`` completes an answer. LangServe always sends it. LangGraph's platform does not: its body just
ends, whether the run did or a proxy cut it. What proves a run over there are the modes
``checkpoints`` and ``debug``, whose last checkpoint has nothing next, and ``events``, which closes
the graph's own run. Where none of them was asked for, EOF completes a run only where its last
message is one that a model of the graph itself finished, with no tool called, or where it waits for
a human. That is as much as can be told: a graph in which another model follows looks the same
between the two. The messages of subgraphs, and those that a step puts out, are no end for that
reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.json import Decoder as JSONDecoder

from tokenwire.cursor import Cursor
from tokenwire.dialects import Dialect, Notes, Resumption
from tokenwire.dialects.agents.langgraph_encode import LangGraphEncoder
from tokenwire.dialects.agents.langgraph_end import Ending
from tokenwire.dialects.agents.langgraph_messages import Messages, is_nested
from tokenwire.dialects.agents.langgraph_protocol import ProtocolMessages, place_of
from tokenwire.dialects.agents.langgraph_wire import is_answer
from tokenwire.dialects.kit.errors import VendorError, find_error, read_error
from tokenwire.dialects.kit.one_choice import read_frame
from tokenwire.dialects.kit.payloads import (
    is_broken,
    is_list,
    is_mapping,
    json_or_text,
    malformed,
    plain_text,
)
from tokenwire.events import Data, Done, Event, Heartbeat, Reason, Started, Token, Unknown
from tokenwire.frame import Frame
from tokenwire.framing.sse import SSEFramer
from tokenwire.request import Known, Request

_INTERRUPT: Final = "__interrupt__"

# Of the thread protocol: what tells what became of a message, and lets nothing go on.
_ASIDE: Final = frozenset({"values", "updates", "checkpoints", "lifecycle"})

_BEGINNING: Final = "-1"  # as the SDK joins a run from its beginning

# A server that is mounted under a prefix leaves it out of the Location.
_PREFIX: Final = re.compile(r"(.*?)/(?:threads|runs)/")

_decode_json = JSONDecoder(Any).decode


class Decoder:
    """Events of a run to events.

    Args:
        end_required: Only ``end`` completes an answer, EOF never does.
    """

    def __init__(self, end_required: bool = False) -> None:
        self._end_required = end_required
        self._run = Messages()
        self._ending = Ending()
        self._nested = False  # this frame is a subgraph's
        self._protocol: ProtocolMessages | None = None  # where it is the thread protocol

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame."""
        mode = frame.event.partition("|")[0]
        if mode == "end":
            if is_broken(frame.data or b""):
                return (malformed(frame, "an end came with half of another event"),)
            return [*self._run.close_all(frame), Done(self._run.reason, frame=frame)]
        if mode == "error":
            return (_error(frame),)
        self._nested = "|" in frame.event
        return read_frame(frame, object, _decode_json, self._receive)

    def receive_eof(self) -> Sequence[Event]:
        """Complete if the run may have ended here, as far as it can be told."""
        if self._end_required:
            return ()
        match self._ending.told:
            case "over":
                known = self._run.reason
                return (Done("stop" if known == "other" else known),)
            case "pause":
                return (Done("pause"),)
            case None if self._run.rests:
                return (Done(self._run.reason),)
            case None if self._protocol is not None and self._protocol.rests:
                return (Done(self._protocol.reason),)
            case _:
                return ()

    def receive_loss(self) -> Sequence[Event]:
        """The connection broke: only ``end`` proves anything then."""
        return ()

    def _receive(self, value: Any, frame: Frame) -> Sequence[Event]:
        if is_mapping(value) and is_mapping(value.get("params")) and value.get("method"):
            return self._receive_event(value["params"], frame, plain_text(value["method"]))
        events: list[Event] = []
        mode = frame.event.partition("|")[0]
        match mode:
            case "messages" if is_list(value) and value and is_mapping(value[0]):
                beside = value[1] if len(value) > 1 else None
                nested = self._nested or is_nested(beside)
                self._run.receive(value[0], frame, events, whole=False, nested=nested)
            case "messages/partial" | "messages/complete" if is_list(value):
                complete = mode == "messages/complete"
                for one in value:
                    self._run.receive(
                        one, frame, events, whole=True, complete=complete, nested=self._nested
                    )
            case "messages/metadata" if is_mapping(value):
                self._run.learn(value)
                events.append(Data(frame.event, value, frame=frame))
            case "metadata" if is_mapping(value):
                id = value.get("run_id")
                events.append(Started(id if isinstance(id, str) else None, frame=frame))
            case "data" if isinstance(value, str):  # LangServe
                self._run.reason = "stop"  # its end says no more than that it is one
                events += [Token(value, frame=frame)] if value else []
            case "data" if is_answer(value):
                self._run.receive(value, frame, events, whole=False)
                self._end_required = True
            case "heartbeat" | "ping":  # unverified
                events.append(Heartbeat(mode, frame=frame))
            case "":
                error = find_error(value)
                events.append(error.event(frame) if error else Unknown(frame=frame))
            case _:
                self._look_at_state(frame.event, value)
                events.append(Data(frame.event, value, frame=frame))
        return events

    def _receive_event(
        self, params: Mapping[str, Any], frame: Frame, method: str
    ) -> Sequence[Event]:
        """An event of the thread protocol."""
        messages = self._protocol = self._protocol or ProtocolMessages()
        data = params.get("data")
        place, nested = place_of(params)
        if method == "messages" and is_mapping(data):
            return messages.receive(data, place, frame, nested=nested)
        if method != "lifecycle" or not is_mapping(data) or params.get("namespace"):
            if method not in _ASIDE:
                messages.rests = False
            return (Data(method, data, frame=frame),)
        status = plain_text(data.get("event"))
        told = Data(method, data, frame=frame)
        if status == "failed":
            message = plain_text(data.get("error")) or "the run failed without a message"
            return (told, VendorError(message).event(frame))
        reasons: dict[str, Reason] = {"completed": messages.reason, "interrupted": "pause"}
        reason = reasons.get(status)
        if reason is None:
            self._ending.told = "open"
            return (told,)
        return (told, Done("stop" if reason == "other" else reason, frame=frame))

    def _look_at_state(self, mode: str, value: Any) -> None:
        """See in a state, or in what a step put into it, whether the run may rest there."""
        self._ending.look(mode.partition("|")[0], value, nested=self._nested)
        if mode not in ("values", "updates") or not is_mapping(value):
            return
        if value.get(_INTERRUPT):
            self._run.rests, self._run.reason = True, "pause"
            return
        for state in [value] if mode == "values" else value.values():
            messages = state.get("messages") if is_mapping(state) else None
            if is_list(messages) and messages:
                self._run.look_at_last(messages[-1])


def _error(frame: Frame) -> Event:
    document = json_or_text(frame.data or b"")
    error = read_error(document)
    word = document.get("error") if is_mapping(document) else None
    if isinstance(word, str) and document.get("message"):  # the exception's class
        error = msgspec.structs.replace(error, code=word)
    return error.event(frame)


def reconnect(request: Request, cursor: Cursor, known: Known) -> Request | None:
    """A GET of the run's stream, of which the first response told the place.

    None where it told none, or no event had an id: the run is not resumable then, and what came in
    the meantime is lost.
    """
    location = known.headers.get("location")
    if not cursor.value or not location:
        return None
    prefix = _PREFIX.match(request.path)
    if prefix and location.startswith(("/threads/", "/runs/")):
        location = prefix[1] + location
    try:
        return request.as_get().with_url(location).with_header("Last-Event-ID", str(cursor.value))
    except ValueError:  # it leads nowhere
        return None


def langgraph(*, end_required: bool = False) -> Dialect:
    """The dialect for servers of which it is known how they end.

    Args:
        end_required: Only ``end`` completes an answer, as with LangServe and servers that send it;
            False: EOF does too, where the run may have ended there.
    """
    return Dialect(
        name="langgraph",
        framer=SSEFramer,
        decoder=lambda: Decoder(end_required),
        encoder=LangGraphEncoder,
        terminator="end, a last checkpoint with nothing next, or a last message that finished",
        bare_events=("end",),
        effects=(("@path=*/runs",), ("@path=*/runs/*",)),
        resumption=Resumption(
            method="last_event_id",
            kind="id",
            field="Last-Event-ID header on a GET of the Location",
            reconnect=reconnect,
            beginning=_BEGINNING,
            naming_headers=("location",),
            kept_if=("stream_resumable=true",),
        ),
        marks=(
            ("@event=metadata", "run_id"),
            ("@event=messages*", "0.content"),
            *((f"@event={mode}*",) for mode in ("values", "updates", "messages/")),
            ("method", "params.namespace", "event_id"),
        ),
        notes=Notes(
            vendor="LangChain: LangGraph platform and LangServe",
            sources=(
                "https://docs.langchain.com/langsmith/streaming",
                "https://pypi.org/project/langgraph-sdk/",
                "https://pypi.org/project/langgraph-api/",
                "https://pypi.org/project/langserve/",
            ),
            request="POST /threads/{id}/runs/stream; LangServe: POST /{path}/stream",
            text="0.content of messages, 0.content of messages/partial; LangServe: the data",
            errors='event: error, {"error", "message"}; of LangServe {"status_code", "message"}',
            heartbeats="comments",
            resume="GET of the Location header with Last-Event-ID, for runs with stream_resumable:"
            " true; the events of others have no id, and are lost. At another origin it is sent"
            " without credentials. LangServe cannot resume",
            quirks=(
                "LangServe's end has no data",
                "messages/partial repeats the whole message each time",
                "the platform sends no end. In the modes checkpoints and debug a last checkpoint"
                " with nothing next proves the run over, in events the end of the graph's own run."
                " Without them EOF completes a run only after a message that a model of the graph"
                " itself finished without calling a tool, or an interrupt;"
                " langgraph(end_required=True) never lets it",
                "what cannot be told is reported as cut off: a stream in the modes custom, tasks,"
                " values or updates without messages, and one whose last message is a subgraph's or"
                " one that a step put out. Ask for checkpoints beside them",
                "a graph in which another model follows looks the same between the two as one that"
                " is over, unless checkpoints show it",
                "the newer thread protocol, whose events have a method and params, is read too; the"
                " lifecycle of the graph itself ends it, and where that was asked for and does not"
                " come the run is cut. Each block is a part there. It is read only, and not"
                " resumed",
                "each message is a part; what users and tools said is Data",
                "the token counts of chunks add up; Usage has those of one message",
            ),
            doubtful=("heartbeat and ping as event types",),
        ),
    )


LANGGRAPH = langgraph()
