"""`python -m rdpp`, and the command `rdpp`."""

import sys


def start() -> int:
    """The command line; Ctrl-C is one line also while what it needs is imported."""
    try:
        from rdpp.cli import main

        return main()
    except KeyboardInterrupt:
        print("rdpp: stopped before it began", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(start())
