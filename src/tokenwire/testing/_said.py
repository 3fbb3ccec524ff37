"""What events say, however it is cut into deltas: the measure of what a wire carries over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from tokenwire.completion import CompletedCall, Completion
from tokenwire.events import Data, Done, Error, Event, Reasoning, Refusal, Token, Usage

Said: TypeAlias = list[tuple[str, Any]]


def what_was_said(events: Iterable[Event]) -> Said:
    """Text, reasoning, refusal, calls, data and finish of each choice, with what they are.

    Usage, liveness and how the stream ended are no part of it.
    """
    said: Said = []
    for choice in Completion.from_events(events).choices:
        where = f"of choice {choice.index}"
        said.append((f"text {where}", choice.text))
        said.append((f"reasoning {where}", choice.reasoning))
        said.append((f"refusal {where}", choice.refusal))
        said.append((f"calls {where}", [repr(call) for call in choice.tool_calls]))
        said.append((f"data {where}", [(data.kind, data.value) for data in choice.data]))
        said.append((f"finish {where}", choice.finish_reason))
    return [(what, value) for what, value in said if value]


def what_was_lost(sent: Sequence[Event], got: Sequence[Event]) -> list[str]:
    """What was sent and did not come, or came differently; a line for each.

    A wire need not have a place for everything: an id or a count that came as None was left out,
    which is no loss. What it cannot say, an encoder has to refuse.
    """
    asked, came = Completion.from_events(sent), Completion.from_events(got)
    lost = _differences(_texts(sent), _texts(got))
    if lost and not _differences(_texts(sent, bare=True), _texts(got, bare=True)):
        lost = []  # a CR is an LF on a wire of lines
    choices = {choice.index: choice for choice in came.choices}
    for choice in asked.choices:
        other = choices.get(choice.index)
        where = f"of choice {choice.index}"
        calls = other.tool_calls if other else []
        if len(calls) != len(choice.tool_calls):
            lost.append(f"calls {where}: {len(choice.tool_calls)} were sent, {len(calls)} came")
        for one, two in _matched(choice.tool_calls, calls):
            lost += _lost_of_call(one, two, closed=came.done is not None)
        if came.done is not None:  # before an error it does not matter
            lost += _lost(f"finish {where}", choice.finish_reason, other and other.finish_reason)
    lost += _lost("data", _data(sent), _data(got))
    lost += _lost("id", asked.id, came.id or asked.id)
    lost += _lost("model", asked.model, came.model or asked.model)
    lost += _lost_counts(asked.usage, came.usage)
    return lost + _lost_ending(sent, got)


def _data(events: Sequence[Event]) -> list[tuple[str, Any]]:
    """Of all choices: much of it belongs to the answer and not to one of them."""
    return [(event.kind, _bare(event.value)) for event in events if isinstance(event, Data)]


def _matched(
    sent: Sequence[CompletedCall], got: Sequence[CompletedCall]
) -> Iterator[tuple[CompletedCall, CompletedCall]]:
    """The calls in pairs: by id, or by their order. A wire may send each once it is complete."""
    left = list(got)
    for call in sent:
        same = next((one for one in left if call.id and one.id == call.id), None)
        other = same or next((one for one in left if not (call.id and one.id)), None)
        if other is not None:
            left.remove(other)
            yield call, other
    # What has an id that nobody sent is shown with its own name, as a loss of the id.
    unmatched = [call for call in sent if call.id and call.id not in {one.id for one in got}]
    yield from zip(unmatched, [one for one in left if one.id], strict=False)


def _texts(events: Sequence[Event], *, bare: bool = False) -> dict[str, str]:
    """Joined in the order in which they came, whatever block they belong to."""
    found: dict[str, str] = {}
    for event in events:
        match event:
            case Token(text=text) | Reasoning(text=text) | Refusal(text=text):
                what = f"{type(event).__name__} text of choice {event.index}"
                found[what] = found.get(what, "") + (_bare(text) if bare else text)
            case _:
                pass
        if isinstance(event, Reasoning) and event.signature:
            found[f"signature of choice {event.index}"] = event.signature
    return {what: text for what, text in found.items() if text}


def _bare(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n")
    return value


def _differences(sent: dict[str, str], got: dict[str, str]) -> list[str]:
    names = [*sent, *(name for name in got if name not in sent)]
    return [
        f"{name}: {sent.get(name, '')!r} was sent, {got.get(name, '')!r} came"
        for name in names
        if sent.get(name) != got.get(name)
    ]


def _lost(what: str, sent: object, got: object) -> list[str]:
    return [f"{what}: {sent!r} was sent, {got!r} came"] if sent and sent != got else []


def _lost_of_call(sent: CompletedCall, got: CompletedCall, *, closed: bool) -> list[str]:
    what = f"call {sent.key!r}"
    lost = _lost(f"name of {what}", sent.name, got.name)
    lost += _lost(f"id of {what}", sent.id, got.id or sent.id)
    if _read_json(sent.arguments) != _read_json(got.arguments):
        lost += _lost(f"arguments of {what}", sent.arguments, got.arguments)
    if closed and sent.complete and not got.complete:
        lost.append(f"{what} was sent complete and came incomplete")
    return lost


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _lost_counts(sent: Usage | None, got: Usage | None) -> list[str]:
    lost: list[str] = []
    if sent is not None and got is not None:
        for name in ("input_tokens", "output_tokens"):
            one, two = getattr(sent, name), getattr(got, name)
            if one is not None and two is not None:
                lost += _lost(f"Usage.{name}", one, two)
    return lost


def _lost_ending(sent: Sequence[Event], got: Sequence[Event]) -> list[str]:
    last, came = (events[-1] if events else None for events in (sent, got))
    match last, came:
        case Done(), Done():
            return []
        case Error(fatal=True, message=message), Error(fatal=True, message=other):
            return _lost("message of the error", _bare(message), _bare(other))
        case ((Done() | Error(fatal=True)), _):
            return [f"{last!r} was sent last, {came!r} came last"]
        case _:
            return []  # the stream was left open
