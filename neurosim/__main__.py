"""Run the command line with ``python -m neurosim``."""

import sys

if not sys.flags.safe_path:
    # python -m puts the working folder first, where a file random.py would hide Python's
    del sys.path[0]

from neurosim.runs.worker import STARTED_BY, stop_with

if sys.argv[1:2] == [STARTED_BY]:
    # before the slow imports, because the starter may end at any time
    stop_with(int(sys.argv[2]))
    del sys.argv[1:3]

from neurosim.cli import main

sys.exit(main())
