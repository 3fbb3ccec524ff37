"""Frames to events and back: `Dialect`, and the dialects by name.

A dialect is a value. Everything about one vendor's API stands in one file of this package; third
parties add theirs through the entry-point group ``tokenwire.dialects``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from msgspec import Struct

from tokenwire.cursor import Cursor, CursorKind
from tokenwire.errors import UnknownDialectError
from tokenwire.events import Event
from tokenwire.frame import Frame
from tokenwire.framing import Framer
from tokenwire.limits import Limits
from tokenwire.request import Known, Request

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

ENTRY_POINT_GROUP: Final = "tokenwire.dialects"


class StatefulDecoder(Protocol):
    """Frames to events, with a memory. One is made for each stream.

    Where the dialect has a `Resumption`, ``copy.deepcopy`` must be able to copy it.
    """

    def receive_frame(self, frame: Frame) -> Sequence[Event]:
        """The events of one frame, in order; none where it says nothing.

        Called only with frames that have data, and those of `Dialect.bare_events`. It must not
        raise, whatever the data is: a frame that cannot be read is an
        ``Error(kind="malformed", fatal=False)``.

        A decoder may have an ``envelope``, a `tokenwire.dialects.kit.envelope.Envelope`: the parser
        then hands out the events of frames that it knows without asking the decoder.
        """
        ...

    def receive_eof(self) -> Sequence[Event]:
        """The body ended before the terminator.

        Give `Done` last if the answer is complete all the same, and nothing if it is not: the
        parser then reports the truncation.

        It is asked after a lost connection too, unless the decoder has a ``receive_loss``: then
        that is. Give it one where a clean end of the body is the only proof there is.
        """
        ...


Decoder: TypeAlias = Callable[[Frame], Sequence[Event]] | StatefulDecoder
"""Frames to events: a plain function where no memory is needed; EOF then always truncates."""

EventEncoder: TypeAlias = Callable[[Event], Sequence[Frame]]
"""Events to frames, the mirror. It raises `LocalProtocolError` for what the wire cannot say, and
stays as it was then. ``copy.deepcopy`` must be able to copy what it remembers: a copy is asked what
it could say."""


class Resumption(Struct, frozen=True, kw_only=True):
    """How a broken stream is taken up again, as data.

    Attributes:
        method: What a reconnect does: ``last_event_id`` sends the SSE header, ``cursor`` puts the
            cursor into the request.
        kind: What the cursor counts.
        field: Where the cursor goes in the request, for people and for `method` ``cursor``.
        read: Takes the cursor's value out of a frame, or gives None; not needed for SSE ids, nor
            where bytes or events are counted.
        reconnect: Makes the request that goes on after a cursor, or None where it cannot be made:
            the answer's id is not known, or the request did not ask for an answer that is kept.
            Without it, the same request is sent with a ``Last-Event-ID`` header.
        beginning: The cursor with which all of the answer is sent again; ``None``: it cannot be
            asked for. Another process needs it, whose decoder does not know what came before.
        order: What is known of the values that are numbers: ``dense``, each place is one more than
            the one before, so that one left out is a loss; ``growing``, a later one is larger.
            ``None``: nothing; ids in texts never have an order.
        ignored: Fields of a frame's JSON that are other ones each time it is sent.
        live: A connection without a cursor goes on with what comes next, as event sources do.
        key_headers: Headers of the request that name the answer: a checkpoint of a request that
            named another one is refused.
        naming_headers: Headers of the response, lower case, that name what the service made of
            the request: a run, a session. With one of them it says that it took the request.
        kept_if: What a request with a body must say for its answer to be kept, where no event
            has shown that yet: conditions as in `Dialect.effects`.
    """

    method: Literal["last_event_id", "cursor"]
    kind: CursorKind
    field: str
    read: Callable[[Frame], str | int | None] | None = None
    reconnect: Callable[[Request, Cursor, Known], Request | None] | None = None
    beginning: str | int | None = None
    order: Literal["dense", "growing"] | None = None
    ignored: tuple[str, ...] = ()
    live: bool = False
    key_headers: tuple[str, ...] = ()
    naming_headers: tuple[str, ...] = ()
    kept_if: tuple[str, ...] = ()


class Notes(Struct, frozen=True, kw_only=True):
    """What people should know of a dialect. The docs' page about it is printed from this.

    Attributes:
        vendor: Who speaks it.
        sources: Where it is described: addresses, specifications, SDKs.
        request: What asks for such a stream, as ``POST /v1/chat/completions`` with its switches.
        text: Where the text of the answer stands, as a path.
        errors: How it reports an error in the middle of a stream.
        heartbeats: What it sends to keep a connection alive.
        resume: What it offers to go on after a broken connection, and what that needs.
        quirks: What surprises those who read it for the first time, and how it is read here.
        doubtful: What no recording and no source code confirms; read liberally.
    """

    vendor: str
    sources: tuple[str, ...] = ()
    request: str = ""
    text: str
    errors: str
    heartbeats: str = "none"
    resume: str = "none"
    quirks: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()


class Dialect(Struct, frozen=True, kw_only=True):
    """All that tokenwire knows about one wire dialect.

    Attributes:
        name: What users call it.
        framer: Makes the framer of one stream.
        decoder: Makes the decoder of one stream.
        encoder: Makes the encoder of one stream; ``None``: this dialect is only read.
        message: Makes the assistant's message of a whole answer, as the next request wants it, out
            of `Choice.blocks`; ``None``: this API has none that is all of an answer.
        media_types: Content types under which it comes, lower case, without parameters; ``*/*``
            alone means any.
        terminator: What proves an answer complete, for people; shown when it does not come.
        resumption: How its API reconnects; ``None``: it cannot.
        effects: Which requests do something that a second one would do again, beyond costing
            another answer: call a tool, begin a run. Alternatives, each a tuple of conditions
            that must all hold for a request with a body. A condition is the path of a field of
            its JSON body that must be there and say something (``"conversation"``), or a path and
            a pattern that its value must match (``"method=tools/*"``); ``*`` in a path is any
            member of a list. ``"@path=..."`` looks at the path of the URL.
        for_request: Gives the dialect as it is read after a request, of which it tells what the
            stream does not say, as how many answers were asked for. A `Session` asks it.
        strict: Read by the letter of WHATWG: any status but 200 and any other content type is an
            error, and lines that are no field mean nothing. Otherwise every 2xx is read, a wrong
            content type only raises suspicion, and errors are looked for in stray lines.
        bare_events: SSE event types that say something even where they come without data. The
            decoder gets these; others without data are heartbeats.
        marks: What tells it from others, for `tokenwire.dialects.detect`: alternatives, each a
            tuple of conditions that must all hold for one frame. A condition is the path of a
            field that must be there (``"token.text"``), or a path and a pattern its value must
            match (``"type=response.*"``; ``*`` is any text). ``"@event=..."`` looks at the frame's
            event type, ``"@text"`` wants data that is no JSON. The alternative with the most
            conditions wins.
        headers: Response headers that only this dialect sends: names, lower case, to patterns.
        notes: What people should know of it.
    """

    name: str
    framer: Callable[[Limits], Framer]
    decoder: Callable[[], Decoder]
    encoder: Callable[[], EventEncoder] | None = None
    message: Callable[[Sequence[Event]], dict[str, Any]] | None = None
    media_types: tuple[str, ...] = ("text/event-stream",)
    terminator: str
    resumption: Resumption | None = None
    effects: tuple[tuple[str, ...], ...] = ()
    for_request: Callable[[Request], Dialect] | None = None
    strict: bool = False
    bare_events: tuple[str, ...] = ()
    marks: tuple[tuple[str, ...], ...] = ()
    headers: Mapping[str, str] = {}
    notes: Notes | None = None

    @property
    def format(self) -> str:
        """The name of its wire format."""
        return self.framer(Limits()).format

    @property
    def is_live(self) -> bool:
        """Is it that of event sources, which go on with what comes next and have no end?"""
        return self.resumption is not None and self.resumption.live


_BUILT_IN: Final = {
    "a2a": "agents.a2a:A2A",
    "ag-ui": "agents.ag_ui:AG_UI",
    "anthropic-complete": "anthropic.complete:ANTHROPIC_COMPLETE",
    "anthropic-messages": "anthropic.messages:ANTHROPIC_MESSAGES",
    "assistant-transport": "agents.assistant_transport:ASSISTANT_TRANSPORT",
    "bedrock-agent": "bedrock.agent:BEDROCK_AGENT",
    "bedrock-converse": "bedrock.converse:BEDROCK_CONVERSE",
    "bedrock-invoke": "bedrock.invoke:BEDROCK_INVOKE",
    "cohere-v1": "cohere.v1:COHERE_V1",
    "cohere-v2": "cohere.v2:COHERE_V2",
    "coze": "agents.coze:COZE",
    "dashscope": "clouds.dashscope:DASHSCOPE",
    "dify": "agents.dify:DIFY",
    "event-stream": "generic.event_stream:EVENT_STREAM",
    "gemini-array": "google.gemini:GEMINI_ARRAY",
    "gemini-interactions": "google.interactions:GEMINI_INTERACTIONS",
    "gemini-sse": "google.gemini:GEMINI_SSE",
    "jsonl": "generic.jsonl:JSONL",
    "langgraph": "agents.langgraph:LANGGRAPH",
    "llamacpp": "servers.llamacpp:LLAMACPP",
    "lmstudio": "servers.lmstudio:LMSTUDIO",
    "mcp": "agents.mcp:MCP",
    "mistral": "openai.mistral:MISTRAL",
    "ollama-chat": "servers.ollama:OLLAMA_CHAT",
    "ollama-generate": "servers.ollama:OLLAMA_GENERATE",
    "openai-assistants": "openai.assistants:OPENAI_ASSISTANTS",
    "openai-audio": "openai.audio:OPENAI_AUDIO",
    "openai-chat": "openai.chat:OPENAI_CHAT",
    "openai-completions": "openai.completions:OPENAI_COMPLETIONS",
    "openai-images": "openai.images:OPENAI_IMAGES",
    "openai-responses": "openai.responses:OPENAI_RESPONSES",
    "positioned": "generic.positioned:POSITIONED",
    "replicate": "clouds.replicate:REPLICATE",
    "sglang": "servers.sglang:SGLANG",
    "sse": "generic.sse:SSE",
    "text": "generic.text:TEXT",
    "tgi": "servers.tgi:TGI",
    "vercel-data": "vercel.data:VERCEL_DATA",
    "vercel-ui": "vercel.ui:VERCEL_UI",
    "watsonx": "clouds.watsonx:WATSONX",
    "workers-ai": "clouds.workers_ai:WORKERS_AI",
}


def get_dialect(name: str) -> Dialect:
    """The dialect of this name: a built-in one, or one that an installed package provides.

    A service that speaks openai-chat with habits of its own has a profile: ``openai-chat/groq``.

    Raises:
        UnknownDialectError: There is none; the message lists what there is.
        TypeError: An installed package registers something else under this name.
    """
    if name in _BUILT_IN:
        return _built_in(name)
    if name.startswith("openai-chat/") and (profiled := _profiled().get(name)) is not None:
        return profiled
    for entry_point in _entry_points():
        if entry_point.name == name:
            found = entry_point.load()
            if not isinstance(found, Dialect):
                raise TypeError(
                    f"entry point {entry_point.value!r} of group {ENTRY_POINT_GROUP!r}"
                    f" must be a tokenwire.Dialect, not {type(found).__name__}"
                )
            return found
    if name == "auto":
        raise UnknownDialectError(
            '"auto" is for reading a response that is open, with iter_events or StreamParser: it'
            " finds the dialect in what comes. Here the dialect must be known before; name it"
        )
    there = available_profiles() if name.startswith("openai-chat/") else available_dialects()
    raise UnknownDialectError(
        f"no dialect is named {name!r}{_nearest(name, there)}; there are: {', '.join(there)}"
    )


def _nearest(name: str, there: Sequence[str]) -> str:
    from difflib import get_close_matches  # imported late: it is needed once, by mistake

    near = get_close_matches(name, there, 1)
    return f", did you mean {near[0]!r}?" if near else ""


@cache
def _built_in(name: str) -> Dialect:
    module, _, attribute = _BUILT_IN[name].partition(":")
    dialect: Dialect = getattr(import_module(f"{__name__}.{module}"), attribute)
    return dialect


def available_dialects() -> list[str]:
    """The names that `get_dialect` knows, sorted; those of installed packages included."""
    return sorted({*_BUILT_IN, *(entry_point.name for entry_point in _entry_points())})


def is_built_in(name: str) -> bool:
    """Does this dialect come with tokenwire, and from no other package?"""
    return name in _BUILT_IN


def available_profiles() -> list[str]:
    """The names that `get_dialect` knows beside these: the profiles of openai-chat, sorted."""
    return sorted(_profiled())


def _profiled() -> Mapping[str, Dialect]:
    # Imported late: few need it, and it imports this module.
    from tokenwire.dialects.openai.profiles import DIALECTS

    return DIALECTS


def _entry_points() -> EntryPoints:
    # Imported late: it takes longer than all else here, and few need it.
    from importlib.metadata import entry_points

    return entry_points(group=ENTRY_POINT_GROUP)
