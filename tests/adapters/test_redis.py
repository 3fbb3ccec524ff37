"""`RedisBreakerStore`: one circuit for several processes, kept by a real server."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep
from typing import Any

import msgspec
import pytest
import redis

from tokenwire import Done, Error
from tokenwire.adapters.redis import RedisBreakerStore
from tokenwire.resume import (
    BreakerHealth,
    BreakerPolicy,
    BreakerState,
    BreakerStats,
    BreakerStoreError,
    CircuitBreaker,
    Permit,
    Refusal,
)

PROGRAM = shutil.which("redis-server")
if PROGRAM is None:
    pytest.skip("redis-server is not installed", allow_module_level=True)

DONE = Done("stop")
LOST = Error("transport", "reset by peer")

# The server's clock cannot be set: what shall be over is over at once, and the rest never.
SLOW = BreakerPolicy(failure_count=2, failure_ratio=None, recovery_time=3600, probes=1)
QUICK = BreakerPolicy(failure_count=2, failure_ratio=None, recovery_time=0.001, probes=1)


class Server:
    """A Redis of this test alone; it can be stopped, and started again at the same place."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.client = redis.Redis.from_url(self.url)
        self.start()

    def start(self) -> None:
        assert PROGRAM is not None
        options = f"--bind 127.0.0.1 --port {self._port} --save --appendonly no --loglevel warning"
        self._process = subprocess.Popen(
            [PROGRAM, *options.split(), "--dir", str(self._directory)],
            stdout=subprocess.DEVNULL,
        )
        while True:
            assert self._process.poll() is None, "redis-server does not start"
            try:
                self.client.ping()
            except redis.ConnectionError:
                sleep(0.01)
            else:
                return

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def close(self) -> None:
        self.client.close()
        self.kill()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("redis"))
    yield server
    server.close()


@pytest.fixture
def server(shared: Server) -> Server:
    """A server that holds nothing."""
    shared.client.flushall()
    return shared


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """A server that this test may kill."""
    server = Server(tmp_path)
    yield server
    server.close()


@pytest.fixture
def store(server: Server) -> Iterator[RedisBreakerStore]:
    with redis.Redis.from_url(server.url) as client:
        yield RedisBreakerStore(client)


class Process:
    """Another process that shares the circuit; its clock is far from ours."""

    def __init__(self, server: Server, policy: BreakerPolicy, ahead: float) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("circuit_process.py")),
                server.url,
                msgspec.json.encode(policy).decode(),
                str(ahead),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        return msgspec.json.decode(self.process.stdout.readline())

    def do(self, *commands: str) -> Any:
        for command in commands:
            self.ask(command)
        return [self.answer() for _ in commands][-1]

    def close(self) -> None:
        self.process.communicate()
        assert self.process.returncode == 0


Start = Callable[[int, BreakerPolicy], list[Process]]


@pytest.fixture
def start(server: Server) -> Iterator[Start]:
    """Start so many processes, whose clocks are hours apart."""
    started: list[Process] = []

    def start(count: int, policy: BreakerPolicy) -> list[Process]:
        started.extend(Process(server, policy, 10_000 * number) for number in range(count))
        return started

    yield start
    for process in started:
        process.close()


# --- several processes ---


def test_processes_share_a_circuit_though_their_clocks_differ(start: Start) -> None:
    one, two = start(2, SLOW)
    assert one.do("acquire", "acquire") == two.do("acquire") == "permit"
    one.do("lost")
    two.do("lost")
    assert one.do("acquire") == two.do("acquire") == "open"
    for process in (one, two):
        assert 3000 < process.do("wait") <= 3600
        assert process.do("health")["failures"] == 2


def test_a_probe_goes_to_one_process_alone(start: Start) -> None:
    processes = start(4, QUICK)
    processes[0].do("acquire", "lost", "acquire", "lost")
    for _ in range(25):
        while processes[0].do("wait"):
            pass
        for process in processes:
            process.ask("acquire")
        answers = [process.answer() for process in processes]
        assert sorted(answers) == ["half_open"] * 3 + ["permit"]
        processes[answers.index("permit")].do("lost")


def test_an_outcome_of_an_older_generation_changes_nothing(start: Start) -> None:
    late, other = start(2, QUICK)
    late.do("acquire", "acquire", "acquire")
    other.do("acquire", "lost", "acquire", "lost")
    late.do("done")
    while other.do("wait"):
        pass
    assert other.do("health")["circuit"] == "half_open"
    assert other.do("acquire") == "permit"
    late.do("done")
    assert late.do("health") == other.do("health")
    assert late.do("health")["circuit"] == "half_open"
    other.do("done")
    assert late.do("health")["circuit"] == "closed"
    late.do("lost")
    assert other.do("health")["failures"] == 0


def test_no_outcome_is_lost_between_processes(start: Start) -> None:
    processes = start(3, BreakerPolicy(failure_ratio=None, failure_count=10**6, window=3600))
    for process in processes:
        process.ask("acquire 60")
        process.ask("lost 20")
        process.ask("done 40")
    for process in processes:
        assert [process.answer() for _ in range(3)] == ["permit", None, None]
    health = processes[0].do("health")
    assert (health["calls"], health["failures"]) == (180, 60)


# --- a server that fails ---


def call(breaker: CircuitBreaker, last: Done | Error) -> None:
    got = breaker.acquire(0)
    assert isinstance(got, Permit)
    breaker.record(got, last, 0)


def test_a_server_that_dies_stops_nobody(mortal: Server) -> None:
    store = RedisBreakerStore.from_url(mortal.url, timeout=10, pause=0)
    breaker = CircuitBreaker(SLOW, store=store)
    call(breaker, LOST)
    under_way = breaker.acquire(0)
    assert isinstance(under_way, Permit)
    mortal.kill()
    breaker.record(under_way, LOST, 0)
    call(breaker, LOST)
    assert breaker.health(0) == BreakerHealth(circuit="closed", reachable=False)
    assert breaker.stats() == BreakerStats(permitted=3, failed=3, unreachable=3)
    mortal.start()  # it kept nothing
    call(breaker, LOST)
    assert breaker.health(0) == BreakerHealth(circuit="closed", calls=1, failures=1)
    call(breaker, LOST)
    assert isinstance(breaker.acquire(0), Refusal)
    store.close()


def test_a_server_that_says_nothing_is_not_waited_for(mortal: Server) -> None:
    store = RedisBreakerStore.from_url(mortal.url, timeout=0.05)
    mortal.freeze()
    breaker = CircuitBreaker(SLOW, store=store)
    call(breaker, DONE)
    assert not breaker.health(0).reachable
    store.close()


def test_a_server_that_failed_is_left_alone(mortal: Server) -> None:
    store = RedisBreakerStore.from_url(mortal.url, timeout=10, pause=3600)
    assert store.load("api").state == BreakerState()
    mortal.kill()
    with pytest.raises(BreakerStoreError, match="Redis failed: "):
        store.load("api")
    mortal.start()
    with pytest.raises(BreakerStoreError, match="not asked yet"):
        store.load("api")
    with pytest.raises(BreakerStoreError, match="not asked yet"):
        store.save("api", BreakerState(version=1), expected=0)
    assert mortal.client.keys() == []
    store.close()


def test_what_is_no_circuit_is_left_as_it_is(server: Server, store: RedisBreakerStore) -> None:
    server.client.hset("tokenwire:circuit:api", mapping={"version": 1, "state": "{"})
    breaker = CircuitBreaker(SLOW, name="api", store=store)
    with pytest.raises(BreakerStoreError, match="tokenwire:circuit:api holds no circuit"):
        store.load("api")
    call(breaker, LOST)
    assert breaker.stats().unreachable == 2
    assert server.client.hget("tokenwire:circuit:api", "state") == b"{"
    server.client.set("tokenwire:circuit:other", "text")
    with pytest.raises(BreakerStoreError, match="WRONGTYPE"):
        store.load("other")


# --- the store ---


def test_a_store_refuses_what_was_made_from_an_older_version(store: RedisBreakerStore) -> None:
    assert store.load("api").state == BreakerState()
    assert not store.save("api", BreakerState(version=8), expected=7)
    first = BreakerState(version=1, circuit="open", generation=1, open_until=1e9 + 1 / 3)
    assert store.save("api", first, expected=0)
    assert not store.save("api", BreakerState(version=1), expected=0)
    assert store.load("api").state == first
    assert store.save("api", BreakerState(version=2), expected=1)
    assert store.load("api").state.version == 2
    assert store.load("other").state == BreakerState()


def test_the_time_is_the_server_s(server: Server, store: RedisBreakerStore) -> None:
    def now() -> float:
        seconds, micros = server.client.time()
        return seconds + micros / 1e6

    before = now()
    time = store.load("api").time
    assert time is not None
    assert before <= time <= now()


def test_a_circuit_that_nobody_changes_is_forgotten(server: Server) -> None:
    for forget_after, name in ((3600, "long"), (0.001, "short")):
        store = RedisBreakerStore(server.client, prefix="test:", forget_after=forget_after)
        assert store.save(name, BreakerState(version=1), expected=0)
    assert 0 < server.client.pttl("test:long") <= 3_600_000
    while store.load("short").state.version:
        pass
    assert store.save("short", BreakerState(version=1), expected=0)


def test_a_client_that_decodes_is_as_good(server: Server) -> None:
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        store = RedisBreakerStore(client)
        assert store.save("api", BreakerState(version=1), expected=0)
        assert store.load("api").state.version == 1


def test_threads_share_a_store(store: RedisBreakerStore) -> None:
    policy = BreakerPolicy(failure_ratio=None, failure_count=10**6, window=3600)

    def work() -> None:
        breaker = CircuitBreaker(policy, store=store)
        for _ in range(25):
            call(breaker, LOST)
        assert breaker.stats().unreachable == 0

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert CircuitBreaker(policy, store=store).health(0).failures == 100


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError):
        RedisBreakerStore.from_url("http://127.0.0.1")
