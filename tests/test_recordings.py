"""Recorded streams of real services and real servers against what others made of them.

Beside the recorded body lies what the vendor's own SDK read, or what the server was asked to write;
see `tools.judge`, whose command cuts each body in more ways than these tests do. The
recordings are not part of the project; where they are absent, these tests are skipped.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode
from pathlib import Path

import pytest
from tools.judge import Recording, judge, known_faults, recordings

pytestmark = pytest.mark.slow

_SHARED = Path(__file__).parents[2] / "shared"
FOLDERS = (
    [Path(one) for one in os.environ["TOKENWIRE_RECORDINGS"].split(os.pathsep)]
    if "TOKENWIRE_RECORDINGS" in os.environ
    else sorted(_SHARED.glob("recordings*"))
)
_RECORDINGS = [one for folder in FOLDERS for one in recordings(folder)]
_FAULTS = known_faults()


def test_there_are_recordings() -> None:
    if not _RECORDINGS:
        pytest.skip("no recordings: set TOKENWIRE_RECORDINGS to their folders")
    assert len(_RECORDINGS) > 100


@pytest.mark.parametrize("recording", _RECORDINGS, ids=[one.name for one in _RECORDINGS])
def test_equal_to_the_witness_however_it_is_cut(recording: Recording) -> None:
    """The SDK's answer, or what was asked for; the end; the counts; nothing unread; no false end."""
    assert judge(recording, _FAULTS, quick=True).differences == []


def test_every_listed_fault_has_its_reason_and_proof() -> None:
    for fault in _FAULTS:
        assert fault.reason
        assert fault.proof


def test_every_proof_stands_in_its_body() -> None:
    """A witness is only called wrong where the bytes show it."""
    bodies = {one.digest: one.path.read_bytes() for one in _RECORDINGS}
    for fault in _FAULTS:
        if (body := bodies.get(fault.sha256)) is not None:
            wrapped = re.findall(rb'"bytes":"([A-Za-z0-9+/=]+)"', body)  # Amazon's
            assert fault.proof.encode() in b"".join((body, *map(b64decode, wrapped))), fault
