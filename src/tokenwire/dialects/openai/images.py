"""``openai-images``: images that OpenAI makes or edits, with previews on the way.

Source: https://platform.openai.com/docs/api-reference/images-streaming, the openai SDK.

An image is complete at ``image_generation.completed`` or ``image_edit.completed``. As nothing says
how many images there are, `Done` comes at the end of the body, or at ``[DONE]``, which gateways
send. Decoder and encoder are those of ``openai-audio``, which has the same form.
"""

from __future__ import annotations

from tokenwire.dialects import Dialect, Notes
from tokenwire.dialects.openai.audio import Decoder, Encoder
from tokenwire.framing.sse import SSEFramer

OPENAI_IMAGES = Dialect(
    name="openai-images",
    framer=SSEFramer,
    decoder=Decoder,
    encoder=Encoder,
    terminator="image_generation.completed or image_edit.completed",
    marks=(("type=image_generation.*",), ("type=image_edit.*",)),
    notes=Notes(
        vendor="OpenAI, image generation and editing; OpenRouter",
        sources=(
            "https://platform.openai.com/docs/api-reference/images-streaming",
            "the openai SDK: types/image_gen_stream_event.py",
        ),
        request='POST /v1/images/generations or /v1/images/edits with "stream": true',
        text="none: previews are Data of kind partial_image, images Data of kind image",
        errors='data: {"error": {...}}',
        quirks=(
            "the type stands in the JSON alone",
            "an image is one line of megabytes; max_event_size must allow it",
            "Data holds the event without its usage: the image is its b64_json",
            "nothing says how many images come: Done is at the end of the body, or at [DONE]; a"
            " preview after an image opens the answer again",
        ),
        doubtful=("no recording confirms it; whether [DONE] ends a stream",),
    ),
)
