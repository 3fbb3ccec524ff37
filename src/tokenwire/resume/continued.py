"""`Continued`: the answer that a model was asked to go on with, joined to what was delivered.

Decided here: which of its events are new, and what is taken back where it began anew. Not here: how
the two texts meet (`tokenwire.resume.seam`), and how the model is asked
(`tokenwire.resume.continuation`).
"""

from __future__ import annotations

from tokenwire.errors import Recovery
from tokenwire.events import Done, Error, Event, Finished, Heartbeat, Reset, Started, Token
from tokenwire.resume.continuation import Continuation
from tokenwire.resume.seam import Policy


class Continued:
    """Takes the events of a continuation, gives those that follow the old text.

    Args:
        continuation: What was asked.
        part: The block in which the old text ended.
        policy: What to do at a seam that is doubtful.

    Attributes:
        through: It is decided how the texts meet: nothing is held.
    """

    def __init__(self, continuation: Continuation, part: int, *, policy: Policy) -> None:
        self._seam = continuation.seam(policy=policy)
        self._before = continuation.text
        self._part = part
        self._repeated: int | None = 0  # code points said again, where the answer began anew
        self._anew: list[str] = []

    @property
    def through(self) -> bool:
        join = self._seam.join
        return join is not None and not (join.restarted and self._repeated is not None)

    def receive(self, event: Event) -> list[Event]:
        """The events to deliver now. A fatal `Error` among them ends the answer."""
        match event:
            case Started():
                return []  # it is still the same answer
            case Heartbeat():
                return [event]
            case Token(text=text, index=0):
                return self._joined(self._seam.receive(text))
            case Finished() | Done():
                return [*self._joined(self._seam.finish()), *self._shorter(), event]
            case _:
                return [event]

    def _joined(self, text: str) -> list[Event]:
        join = self._seam.join
        if join is None:
            return []
        if join.verdict in ("reset", "reject"):
            return [_refused(join.confidence)]
        if join.restarted and self._repeated is not None:
            return self._compare(text, self._repeated)
        return [Token(text, part=self._part)] if text else []

    def _compare(self, text: str, repeated: int) -> list[Event]:
        """The answer began anew: leave out what is said again, or take the old text back."""
        self._anew.append(text)
        old = self._before[repeated : repeated + len(text)]
        if old == text:
            self._repeated = repeated + len(text)
            return []
        if text.startswith(old) and repeated + len(old) == len(self._before):
            self._repeated = None
            return [Token(text[len(old) :], part=self._part)]
        return self._replaced()

    def _shorter(self) -> list[Event]:
        """A whole answer anew that ends before the old text does is another one."""
        said = self._repeated if self._anew else None
        return [] if said is None or said == len(self._before) else self._replaced()

    def _replaced(self) -> list[Event]:
        self._repeated = None
        return [Reset(0), Token("".join(self._anew))]


def _refused(confidence: float) -> Error:
    return Error(
        "truncated",
        "the answer was cut off, and it is doubtful how the model's continuation joins it"
        f" (confidence {confidence:.2f}); nothing of that was delivered",
        recovery=Recovery.RESUME,
    )
