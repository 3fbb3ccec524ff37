"""Print an answer as it comes over HTTP.

Start the test server first, in another terminal: tokenwire serve
"""

import httpx

from tokenwire import Token
from tokenwire.adapters.httpx import iter_events

url = "http://127.0.0.1:8765/v1/chat/completions"
body = {"model": "any", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}

with httpx.stream("POST", url, json=body) as response:
    for event in iter_events(response, "openai-chat"):
        match event:
            case Token(text=text):
                print(text, end="", flush=True)
