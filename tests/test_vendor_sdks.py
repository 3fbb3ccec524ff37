"""What the encoders write, the vendors' own SDKs read: over real HTTP, from the built-in server."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import ollama
import openai
import pytest

from tokenwire.testserver import Settings, running_server

TEXT = "The capital of France is Paris. 🗼\nVoilà."


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_server(Settings(text=TEXT)) as base_url:
        yield base_url


QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


def test_openai(url: str) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        answer = client.chat.completions.create(model="m", messages=QUESTION, stream=True)
        chunks = list(answer)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices]
    assert [one for one in finishes if one] == ["stop"]
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(usages) == 1
    assert usages[0].total_tokens == usages[0].prompt_tokens + usages[0].completion_tokens


def test_openai_is_told_of_an_error(url: str) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        answer = client.chat.completions.create(
            model="m", messages=QUESTION, stream=True, extra_query={"fail": "error", "after": 2}
        )
        with pytest.raises(openai.APIError, match="overloaded"):
            list(answer)


def test_anthropic_events_and_message(url: str) -> None:
    """Its accumulator fails where usage is missing at the start or beside the stop reason."""
    with (
        anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=99, messages=QUESTION) as stream,
    ):
        message = stream.get_final_message()
    assert [block.text for block in message.content] == [TEXT]
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 1


def test_anthropic_is_told_of_an_error(url: str) -> None:
    asked = {"fail": "error", "after": 2}
    with (
        anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as client,
        pytest.raises(anthropic.APIStatusError, match="overloaded"),
        client.messages.stream(
            model="m", max_tokens=99, messages=QUESTION, extra_query=asked
        ) as stream,
    ):
        stream.get_final_message()


def test_ollama_chat_and_generate(url: str) -> None:
    with ollama.Client(host=url) as client:
        chat = list(client.chat(model="m", messages=QUESTION, stream=True))
        generated = list(client.generate(model="m", prompt="Hi", stream=True))
    assert "".join(part.message.content or "" for part in chat) == TEXT
    assert "".join(part.response for part in generated) == TEXT
    for last in (chat[-1], generated[-1]):
        assert (last.done, last.done_reason) == (True, "stop")
        assert last.eval_count
