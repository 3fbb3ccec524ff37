"""A process that shares a circuit, run by the tests of the Redis store.

Its arguments are the URL, the policy as JSON, and how far its clock is from that of others. It
reads one command a line, and answers with one line of JSON.
"""

from __future__ import annotations

import sys
from time import monotonic

import msgspec

from tokenwire import Done, Error
from tokenwire.adapters.redis import RedisBreakerStore
from tokenwire.resume import BreakerPolicy, CircuitBreaker, Permit


def main(url: str, policy: str, ahead: str) -> None:
    breaker = CircuitBreaker(
        msgspec.json.decode(policy, type=BreakerPolicy),
        store=RedisBreakerStore.from_url(url, timeout=10),
    )
    permits: list[Permit] = []
    for line in sys.stdin:
        now = monotonic() + float(ahead)
        command, _, times = line.strip().partition(" ")
        answer: object = None
        for _ in range(int(times or 1)):
            match command:
                case "acquire":
                    match breaker.acquire(now):
                        case Permit() as permit:
                            permits.append(permit)
                            answer = "permit"
                        case refusal:
                            answer = refusal.circuit
                case "done":
                    breaker.record(permits.pop(), Done("stop"), now)
                case "lost":
                    breaker.record(permits.pop(), Error("transport", "lost"), now)
                case "health":
                    answer = breaker.health(now)
                case "wait":  # seconds until an open circuit lets a probe pass
                    until = breaker.health(now).open_until
                    answer = 0.0 if until is None else until - now
        print(msgspec.json.encode(answer).decode(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
