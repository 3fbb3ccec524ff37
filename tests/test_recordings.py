"""Recorded streams of real services against what the vendors' own SDKs made of them.

The recordings are not part of the project; where they are absent, these tests are skipped. The
command ``python -m tokenwire.testing.judge FOLDER`` cuts each body in more ways than these do.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tokenwire.testing.judge import Recording, judge, known_faults, recordings

pytestmark = pytest.mark.once

FOLDER = Path(
    os.environ.get("TOKENWIRE_RECORDINGS", Path(__file__).parents[2] / "shared" / "recordings")
)
_RECORDINGS = list(recordings(FOLDER))
_FAULTS = known_faults()


def test_there_are_recordings() -> None:
    if not _RECORDINGS:
        pytest.skip(f"no recordings in {FOLDER.name}: set TOKENWIRE_RECORDINGS to their folder")
    assert len(_RECORDINGS) > 100


@pytest.mark.parametrize(
    "recording", _RECORDINGS, ids=[f"{one.path.parent.name}/{one.path.stem}" for one in _RECORDINGS]
)
def test_equal_to_the_vendors_sdk_however_it_is_cut(recording: Recording) -> None:
    assert judge(recording, _FAULTS, quick=True).differences == []


def test_every_listed_fault_has_its_reason_and_proof() -> None:
    for fault in _FAULTS:
        assert fault.reason
        assert fault.proof
