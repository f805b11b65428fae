"""`python -m rdpp`."""

import sys

from rdpp.cli import main

sys.exit(main())
