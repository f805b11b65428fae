"""One side of a benchmark in a process of its own: does its work once for each line it reads, and prints what it took.

    python scripts/bench/worker.py SIDE WHAT [ARGUMENT ...]

SIDE is `plain` (scripts/bench/plain_side.py), `rdpp` (scripts/bench/rdpp_side.py) or `anomalib`
(scripts/bench/anomalib_side.py), WHAT a piece of work there; see scripts/bench/serve.py for what is read and printed.
"""

import importlib
import sys

from serve import serve


def main() -> None:
    """Serve. The other side is not even imported: its memory is none of this one's."""
    side, what, *arguments = sys.argv[1:]
    serve(*importlib.import_module(f"{side}_side").WORK[what](*arguments))


if __name__ == "__main__":
    main()
