from pathlib import Path

from tokenwire.testing import check_dialect

ANSWER = Path(__file__).with_name("answer.sse")


def test_brook_keeps_the_laws() -> None:
    check_dialect("brook", wire=ANSWER.read_bytes())
