"""``python -m styletut`` is the command ``styletut``."""

import sys


def main() -> int:
    """The command's exit code. Ctrl-C is met from the first line to the last, and then no more."""
    try:
        from .engine import signals

        signals.hold()
        from .cli import main

        return main()
    except KeyboardInterrupt:  # while it was imported, or an error was being explained
        print("styletut: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
