"""Read an answer once, though this process may be killed at any moment and started again.

Start the test server first, in another terminal: tokenwire serve --rate 20
Then run this, kill it in mid-answer (kill -9), and run it again.

Two writes can be torn apart: text that is saved without its place comes twice, a place without its
text leaves a hole. So a piece of text and the place after it are saved in one transaction. What is
shown comes out of what is saved, and after it: a terminal knows no transactions.
"""

import sqlite3
from pathlib import Path

import httpx

from tokenwire import Done, Token
from tokenwire.adapters.httpx import stream
from tokenwire.resume.checkpoint import Checkpoint

url = "http://127.0.0.1:8765/positioned"
body = {"prompt": "Hello"}

saved = sqlite3.connect(Path(__file__).with_suffix(".db"))
saved.executescript("""
    CREATE TABLE IF NOT EXISTS pieces (text);
    CREATE TABLE IF NOT EXISTS place (answer INTEGER PRIMARY KEY, checkpoint, complete);
""")
for (text,) in saved.execute("SELECT text FROM pieces ORDER BY rowid"):
    print(text, end="", flush=True)
place, complete = saved.execute("SELECT checkpoint, complete FROM place").fetchone() or (None, 0)

if not complete:
    checkpoint = Checkpoint.from_json(place) if place else None
    with (
        httpx.Client() as client,
        stream(
            client, "POST", url, json=body, dialect="positioned", checkpoint=checkpoint
        ) as answer,
    ):
        for event in answer:
            text = event.text if isinstance(event, Token) else ""
            place = answer.checkpoint().to_json()
            with saved:  # all of it, or nothing
                saved.execute("INSERT INTO pieces VALUES (?)", (text,))
                saved.execute(
                    "REPLACE INTO place VALUES (1, ?, ?)", (place, isinstance(event, Done))
                )
            print(text, end="", flush=True)
saved.close()
