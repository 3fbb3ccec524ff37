"""Asks for the answers that a database wants, and may be killed at any moment.

python worker.py answers.db http://127.0.0.1:8765/v1/responses
"""

import sqlite3
import sys

import httpx

from tokenwire import Checkpoint, Done, Error, Reset, Token
from tokenwire.adapters.httpx import stream
from tokenwire.resume import CheckpointError

SCHEMA = """
    CREATE TABLE IF NOT EXISTS answers (
        id INTEGER PRIMARY KEY,
        body BLOB NOT NULL,  -- of the request, as it is sent
        checkpoint BLOB,
        state TEXT NOT NULL DEFAULT 'open'
    );
    CREATE TABLE IF NOT EXISTS pieces (answer INTEGER NOT NULL, text TEXT NOT NULL);
"""
NEXT = "SELECT id, body, checkpoint FROM answers WHERE state = 'open' ORDER BY id"
BATCH = 10  # pieces in a transaction
HEADERS = {"Content-Type": "application/json"}


def open_database(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.executescript(SCHEMA)
    return database


def work(database: sqlite3.Connection, url: str) -> None:
    """Answer what is open, one after the other."""
    with httpx.Client() as client:
        while found := database.execute(NEXT).fetchone():
            id, body, place = found
            try:
                write(
                    database, client, url, id, body, Checkpoint.from_json(place) if place else None
                )
            except CheckpointError:  # written by another version, or for another request
                with database:
                    database.execute("DELETE FROM pieces WHERE answer = ?", (id,))
                    database.execute("UPDATE answers SET checkpoint = NULL WHERE id = ?", (id,))


def write(
    database: sqlite3.Connection,
    client: httpx.Client,
    url: str,
    id: int,
    body: bytes,
    checkpoint: Checkpoint | None,
) -> None:
    unsaved: list[str] = []
    with stream(
        client,
        "POST",
        url,
        content=body,
        headers=HEADERS,
        dialect="openai-responses",
        checkpoint=checkpoint,
        errors="yield",
    ) as answer:
        for event in answer:
            state, is_void = "open", False
            match event:
                case Token(text=text):
                    unsaved.append(text)
                case Reset(text=text):  # what was said is taken back
                    unsaved, is_void = [text], True
                case Done():
                    state = "done"
                case Error(fatal=True):
                    state = "failed"
            if is_void or state != "open" or len(unsaved) >= BATCH:
                place = answer.checkpoint().to_json()
                with database:  # text and place together, or neither
                    if is_void:
                        database.execute("DELETE FROM pieces WHERE answer = ?", (id,))
                    database.execute("INSERT INTO pieces VALUES (?, ?)", (id, "".join(unsaved)))
                    database.execute(
                        "UPDATE answers SET checkpoint = ?, state = ? WHERE id = ?",
                        (place, state, id),
                    )
                unsaved = []


def text_of(database: sqlite3.Connection, id: int) -> str:
    rows = database.execute("SELECT text FROM pieces WHERE answer = ? ORDER BY rowid", (id,))
    return "".join(text for (text,) in rows)


if __name__ == "__main__":
    work(open_database(sys.argv[1]), sys.argv[2])
