"""Print the answer that a recorded stream holds.

Run it: python examples/read_file.py examples/answer.sse
"""

import sys

from tokenwire import Token, iter_events

with open(sys.argv[1], "rb") as body:  # a file gives lines, but any chunks would do
    for event in iter_events(body, "openai-chat"):
        if isinstance(event, Token):
            print(event.text, end="", flush=True)
