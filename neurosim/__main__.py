"""Run the command line with ``python -m neurosim``."""

import sys

from neurosim.runs.child import STARTED_BY, stop_with

if sys.argv[1:2] == [STARTED_BY]:
    # before the slow imports: the starter may end at any time
    stop_with(int(sys.argv[2]))
    del sys.argv[1:3]

from neurosim.cli import main

sys.exit(main())
