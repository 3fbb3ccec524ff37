"""One answer over any number of connections: no I/O, no clock.

What is here decides; drivers and adapters do. How a model is asked to go on from a partial answer
stands in `tokenwire.resume.continuation`, `tokenwire.resume.seam` and `tokenwire.resume.sentences`.
"""

from tokenwire.resume.backoff import (
    NEVER,
    RETRYABLE_KINDS,
    Backoff,
    GiveUp,
    GiveUpReason,
    Growth,
    Jitter,
    RetryPolicy,
    Wait,
)
from tokenwire.resume.breaker import (
    BreakerStats,
    BreakerStore,
    BreakerStoreError,
    CircuitBreaker,
    KeptCircuit,
    MemoryBreakerStore,
)
from tokenwire.resume.checkpoint import Checkpoint, CheckpointError
from tokenwire.resume.circuit import (
    BreakerHealth,
    BreakerPolicy,
    BreakerState,
    Circuit,
    Permit,
    Refusal,
)
from tokenwire.resume.deadlines import PROGRESS, UNLIMITED, Clocks, Deadlines
from tokenwire.resume.effects import (
    CloseResponse,
    Deliver,
    Effect,
    Ended,
    OpenRequest,
    ReadData,
    Sleep,
)
from tokenwire.resume.plan import Strategy
from tokenwire.resume.session import Session

__all__ = [
    "NEVER",
    "PROGRESS",
    "RETRYABLE_KINDS",
    "UNLIMITED",
    "Backoff",
    "BreakerHealth",
    "BreakerPolicy",
    "BreakerState",
    "BreakerStats",
    "BreakerStore",
    "BreakerStoreError",
    "Checkpoint",
    "CheckpointError",
    "Circuit",
    "CircuitBreaker",
    "Clocks",
    "CloseResponse",
    "Deadlines",
    "Deliver",
    "Effect",
    "Ended",
    "GiveUp",
    "GiveUpReason",
    "Growth",
    "Jitter",
    "KeptCircuit",
    "MemoryBreakerStore",
    "OpenRequest",
    "Permit",
    "ReadData",
    "Refusal",
    "RetryPolicy",
    "Session",
    "Sleep",
    "Strategy",
    "Wait",
]
