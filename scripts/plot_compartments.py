"""Look at the compartments of a neuron; the same as ``neurosim view``."""

import sys

from neurosim.cli import main

if __name__ == "__main__":
    sys.exit(main(["view", *sys.argv[1:]]))
