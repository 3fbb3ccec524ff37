"""``openai-completions``: the legacy Completions API of OpenAI, vLLM, llama.cpp and others.

Source: https://platform.openai.com/docs/api-reference/completions, and recordings of OpenAI and
vLLM.

A member of the openai-chat family: the same chunks, but that a choice has its text in ``text``
instead of a delta. An answer is complete when every choice that began has a finish reason.
"""

from __future__ import annotations

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.openai.chat import Decoder
from tokenwire.dialects.openai.chat_encode import OpenAIChatEncoder
from tokenwire.dialects.openai.chat_wire import FINISH_REASONS
from tokenwire.framing.sse import SSEFramer

OPENAI_COMPLETIONS = Dialect(
    name="openai-completions",
    framer=SSEFramer,
    decoder=lambda: Decoder(finish_optional=False),
    encoder=lambda: OpenAIChatEncoder(FINISH_REASONS, dialect="openai-completions", legacy=True),
    terminator="a finish_reason for every choice",
    marks=(("object=text_completion", "choices"),),
    notes=Notes(
        vendor="OpenAI, vLLM, Fireworks, llama.cpp and other servers of completions",
        sources=("https://platform.openai.com/docs/api-reference/completions",),
        request="POST /v1/completions with stream: true",
        text="choices[].text",
        errors='data: {"error": {...}}, with [DONE] after it at vLLM',
        resume="none; the prompt with the partial answer after it asks for the rest",
        quirks=(
            "[DONE] alone proves nothing",
            "with n > 1 the choices interleave; each ends by its own finish reason",
            "the finish reason may stand beside the last text",
            "logprobs of a piece is Data after its text",
        ),
    ),
)
