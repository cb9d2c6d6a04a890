"""Train a system on MNIST; the same as ``neurosim train``."""

import sys

from neurosim.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
