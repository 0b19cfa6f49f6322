"""``python -m styletut`` is the command ``styletut``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
