"""One side of a benchmark in a process of its own: does its work once for each line it reads, and prints what it took.

    python scripts/bench_worker.py SIDE WHAT [ARGUMENT ...]

SIDE is `plain` (scripts/bench_plain.py) or `rdpp` (scripts/bench_rdpp.py), WHAT a piece of work there; see
scripts/bench_serve.py for what is read and printed.
"""

import importlib
import sys

from bench_serve import serve


def main() -> None:
    """Serve. The other side is not even imported: its memory is none of this one's."""
    side, what, *arguments = sys.argv[1:]
    serve(*importlib.import_module(f"bench_{side}").WORK[what](*arguments))


if __name__ == "__main__":
    main()
