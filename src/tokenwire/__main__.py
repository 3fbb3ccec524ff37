"""``python -m tokenwire``: the same as the command `tokenwire`."""

import sys

from tokenwire.cli import main

if __name__ == "__main__":
    sys.exit(main())
