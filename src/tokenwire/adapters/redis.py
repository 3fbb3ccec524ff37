"""Circuits in Redis: one for all processes that call a service.

A session asks its circuit while it decides, and so its thread or event loop waits for the server:
one round trip before a request, and two after its answer. A server that does not answer soon is
left alone for a while, and calls pass meanwhile.

It takes a server that runs scripts: Redis, Valkey and others. The commands:
https://redis.io/docs/latest/commands/
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

import msgspec

from tokenwire.adapters._extra import Extra

with Extra("redis"):
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

from tokenwire.request import words_of
from tokenwire.resume.breaker import BreakerStoreError, KeptCircuit
from tokenwire.resume.circuit import BreakerState

# One round trip for both.
_LOAD: Final = """
return {redis.call('TIME'), redis.call('HGET', KEYS[1], 'state')}
"""

# The version has a field of its own: to compare it, the script need not read the state.
_SAVE: Final = """
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then
    return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'state', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""

_decoder = msgspec.json.Decoder(BreakerState)


class RedisBreakerStore:
    """Keeps circuits in Redis, for `CircuitBreaker`; may be shared between threads.

    Times are those of the server's clock: the clocks of the processes need not agree.

    Args:
        client: One with short timeouts and without retries; `from_url` makes such a client.
        prefix: A key is this and the name of the circuit.
        forget_after: Seconds after which a circuit that did not change is removed. Longer than any
            answer takes, and than `BreakerPolicy.recovery_time`.
        pause: Seconds for which a server that failed is not asked again.
    """

    __slots__ = (
        "_client",
        "_forget_after",
        "_load",
        "_pause",
        "_prefix",
        "_rests_until",
        "_save",
    )

    def __init__(
        self,
        client: redis.Redis,
        *,
        prefix: str = "tokenwire:circuit:",
        forget_after: float = 86_400.0,
        pause: float = 5.0,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._forget_after = forget_after
        self._pause = pause
        self._rests_until = 0.0
        self._load: Any = client.register_script(_LOAD)
        self._save: Any = client.register_script(_SAVE)

    @classmethod
    def from_url(cls, url: str, *, timeout: float = 0.1, **options: Any) -> RedisBreakerStore:
        """A store with a client of its own; it connects when it is first asked.

        Args:
            url: ``redis://host:6379/0``; ``rediss`` and ``unix`` are known too.
            timeout: Seconds to wait for the connection, and for each answer.
            options: Those of the class.

        Raises:
            ValueError: No such URL.
        """
        client = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            socket_connect_timeout=timeout,
            socket_timeout=timeout,
            retry=Retry(NoBackoff(), 0),  # else it may try and wait for many seconds
        )
        return cls(client, **options)

    def load(self, name: str) -> KeptCircuit:
        """The circuit of this name, and the server's time.

        Raises:
            BreakerStoreError: The server fails, or did a moment ago, or the key holds no circuit.
        """
        with self._asking():
            (seconds, micros), kept = self._load(keys=[self._prefix + name])
            time = int(seconds) + int(micros) / 1e6
        try:
            state = BreakerState() if kept is None else _decoder.decode(kept)
        except (TypeError, ValueError, RecursionError) as error:
            raise BreakerStoreError(f"{self._prefix}{name} holds no circuit: {error}") from error
        return KeptCircuit(state, time)

    def save(self, name: str, state: BreakerState, *, expected: int) -> bool:
        """Keep this state, unless the version there is not the expected one: then False.

        Raises:
            BreakerStoreError: As `load`. It may have been kept all the same.
        """
        lifetime = round(self._forget_after * 1000)
        with self._asking():
            saved = self._save(
                keys=[self._prefix + name],
                args=[expected, state.version, msgspec.json.encode(state), lifetime],
            )
            if type(saved) is not int:
                raise TypeError(f"the script answers 0 or 1, not {type(saved).__name__}")
        return saved == 1

    def close(self) -> None:
        """Close the connections of the client."""
        self._client.close()

    @contextmanager
    def _asking(self) -> Generator[None]:
        # To wait for a dead server at every call would stall an event loop with many streams.
        if monotonic() < self._rests_until:
            raise BreakerStoreError("Redis failed a moment ago and is not asked yet")
        try:
            yield
        except Exception as error:  # also what redis-py makes of bytes that are no Redis's
            self._rests_until = monotonic() + self._pause
            raise BreakerStoreError(f"Redis failed: {words_of(error)}") from error
