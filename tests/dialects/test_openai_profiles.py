"""openai-chat/NAME: what a profile changes, and that it changes nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.dialects.test_openai_chat import (
    chunk,
    delta,
    encoded,
    events,
    fragment,
    read_everywhere_cut,
    stop,
    wire,
)
from tests.reading import read

from tokenwire import (
    Done,
    Error,
    Event,
    Finished,
    LocalProtocolError,
    Reasoning,
    Recovery,
    Started,
    StreamEncoder,
    Token,
    ToolCall,
    UnknownDialectError,
    Usage,
    available_dialects,
    get_dialect,
)
from tokenwire.dialects import available_profiles
from tokenwire.dialects.openai.profiles import (
    PROFILES,
    Profile,
    find_profile,
    openai_dialect,
)

every_profile = pytest.mark.parametrize("name", sorted(PROFILES))


def error_of(name: str, error: dict[str, Any]) -> Error:
    [found] = events(json.dumps(error), dialect=f"openai-chat/{name}")
    assert isinstance(found, Error)
    return found


# --- names ---


@every_profile
def test_profiles_are_dialects_by_name(name: str) -> None:
    dialect = get_dialect(f"openai-chat/{name}")
    assert dialect is get_dialect(dialect.name)
    assert dialect.name == f"openai-chat/{name}"
    assert dialect.name in available_profiles()
    assert dialect.name not in available_dialects()


def test_a_name_that_no_profile_has() -> None:
    with pytest.raises(UnknownDialectError, match=r"openai-chat/nope.*openai-chat/groq"):
        get_dialect("openai-chat/nope")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.groq.com", "groq"),
        ("API.OpenAI.com", "openai"),
        ("me.openai.azure.com", "azure"),
        ("localhost:11434", "ollama"),
        ("dashscope-intl.aliyuncs.com", "qwen"),
        ("acme.eu-west.snowflakecomputing.com", "snowflake"),
        ("bedrock-mantle.us-east-1.api.aws", "bedrock-mantle"),
    ],
)
def test_profiles_by_host(host: str, name: str) -> None:
    profile = find_profile(host)
    assert profile is not None
    assert profile.name == name


@pytest.mark.parametrize("host", ["example.com", "api.groq.com.example.com", "localhost:8000"])
def test_a_host_that_tells_nothing(host: str) -> None:
    assert find_profile(host) is None


# --- one answer, read by all ---

ANSWER = wire(
    chunk(id="c1", model="m"),
    delta(content="Hé"),
    delta(tool_calls=[fragment(0, "a", "f", "{}")]),
    stop(reason="tool_calls"),
    chunk(usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}),
    "[DONE]",
)
SAID = [
    Started("c1", "m"),
    Token("Hé"),
    ToolCall("0:0", 0, "a", "f", "{}"),
    ToolCall("0:0", complete=True),
    Finished(0, "tool_calls", "tool_calls"),
    Usage(1, 2, 3, final=True),
    Done("tool_calls"),
]


@every_profile
def test_all_read_and_write_an_answer(name: str) -> None:
    dialect = f"openai-chat/{name}"
    assert read([ANSWER], dialect).events == SAID
    thought: list[Event] = [*SAID[:1], Reasoning("Hm"), *SAID[1:]]
    assert read([encoded(thought, dialect)], dialect).events == thought


def test_in_every_cut() -> None:
    assert read_everywhere_cut(ANSWER, "openai-chat/groq") == SAID


@pytest.mark.parametrize(
    ("name", "field"),
    [("groq", "reasoning"), ("deepseek", "reasoning_content")],
)
def test_thinking_is_written_where_the_service_has_it(name: str, field: str) -> None:
    sent = json.loads(StreamEncoder(f"openai-chat/{name}").send(Reasoning("Hm"))[6:])
    assert sent["choices"][0]["delta"] == {field: "Hm"}


def test_the_encoder_names_its_dialect() -> None:
    with pytest.raises(LocalProtocolError, match="openai-chat/xai: Done comes after"):
        StreamEncoder("openai-chat/xai").send(Done("stop"))


# --- what differs ---


@every_profile
def test_q13_done_alone_proves_the_end_for_snowflake_only(name: str) -> None:
    """With ids or without: the profile says it, not the look of the chunks."""
    for identity in ("", "c1"):
        text = chunk({"index": 0, "delta": {"content": "a"}}, id=identity, model="m")
        last = events(text, "[DONE]", dialect=f"openai-chat/{name}")[-1]
        if name == "snowflake":
            assert last == Done("other")
        else:
            assert isinstance(last, Error)
            assert last.kind == "truncated"


def test_q13_not_after_an_error_and_not_before_anything_came() -> None:
    said = events(delta(content="a"), '{"error":"no"}', "[DONE]", dialect="openai-chat/snowflake")
    assert [type(event) for event in said] == [Token, Error]
    [error] = events("[DONE]", dialect="openai-chat/snowflake")
    assert isinstance(error, Error)
    assert (error.kind, error.recovery) == ("truncated", Recovery.RETRY)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("minimax", {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}),
        ("zai", {"error": {"code": "1302", "message": "rate limit"}}),
        ("moonshot", {"error": {"type": "engine_overloaded_error", "message": "busy"}}),
        ("qwen", {"error": {"code": "Throttling.RateQuota", "message": "slow down"}}),
        ("cloudflare", {"errors": [{"code": 3040, "message": "out of capacity"}]}),
        ("tgi", {"error": {"message": "busy", "type": "incomplete_generation_stream"}}),
    ],
)
def test_codes_that_are_transient_at_one_service(name: str, error: dict[str, Any]) -> None:
    assert error_of(name, error).recovery is Recovery.RETRY
    assert error_of("openai", error).recovery is Recovery.FATAL


def test_codes_that_are_not() -> None:
    assert error_of("zai", {"error": {"code": "1113", "message": "arrears"}}).recovery == "fatal"
    told = {"code": "1302", "message": "no", "retryable": False}
    assert error_of("zai", {"error": told}).recovery == "fatal", "the service itself says no"


def test_a_transient_code_in_an_event_named_error() -> None:
    said = b'event: error\ndata: {"code":"1305","message":"busy"}\n\n'
    [error] = read([said], "openai-chat/zai").events
    assert error == Error("vendor", "busy", "1305", recovery=Recovery.RETRY)


def test_finish_words_of_one_service() -> None:
    ended = stop(reason="eos_token")
    assert events(ended, dialect="openai-chat/tgi")[-1] == Done("stop")
    assert events(ended, dialect="openai-chat/groq")[-1] == Done("other")


def test_how_a_partial_answer_is_continued() -> None:
    resume = {name: notes.resume for name in PROFILES if (notes := _notes(name))}
    assert resume["openai"] == "none"
    assert resume["deepseek"].endswith("prefix: True in it, under /beta")
    assert resume["qwen"].endswith("partial: True in it")
    assert "continue_final_message: True in the request" in resume["vllm"]


def _notes(name: str) -> Any:
    return get_dialect(f"openai-chat/{name}").notes


def test_a_profile_of_ones_own() -> None:
    """A package makes a dialect of the family from data alone."""
    acme = openai_dialect(
        Profile(
            name="acme",
            vendor="Acme",
            finish_optional=True,
            finish_words={"fin": "stop"},
            retry_codes=("busy*",),
            reasoning="thoughts",
        )
    )
    assert (acme.name, acme.terminator) == ("openai-chat/acme", "[DONE]")
    assert read([wire(stop(reason="fin"))], acme).events[-1] == Done("stop")
    [error] = read([wire('{"error":{"code":"BUSY_NOW","message":"no"}}')], acme).events
    assert isinstance(error, Error)
    assert error.recovery is Recovery.RETRY
    assert b'"thoughts":"Hm"' in StreamEncoder(acme).send(Reasoning("Hm"))
