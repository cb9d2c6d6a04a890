"""Print a hash of the weights that each system learns from the embedded digits.

    python -m benchmarks.weight_hashes

Two versions of neurosim that print the same lines on one machine learn the same
weights, bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib

import numpy as np

from neurosim import Simulator, load_dataset
from neurosim.models import SYSTEMS


def weight_hash(name: str, dtype: str, epochs: int, backend: str = "cpp") -> str:
    """Hash of all weights of a system after some epochs of digits.

    Parameters
    ----------
    name : str
        A system, with its preset for the digits.
    dtype : str
        ``"float32"`` or ``"float64"``.
    epochs : int
        Passes over the training images.
    backend : str
        Back end that learns.

    Returns
    -------
    str
        SHA-256 over names, shapes and bytes of all arrays.
    """
    digits = load_dataset("digits")
    preset = SYSTEMS[name].preset("digits")
    layers = (digits.x_train.shape[1], *preset.hidden, 10)
    system = SYSTEMS[name](layers=layers, **preset.parameters)
    digest = hashlib.sha256()
    with Simulator(system, seed=0, dtype=dtype, backend=backend, threads=2) as simulator:
        simulator.fit(digits.x_train, digits.y_train, epochs=epochs, progress=False)
        for weight in sorted(simulator.weights):
            array = np.ascontiguousarray(simulator.weights[weight])
            digest.update(f"{weight} {array.shape} {array.dtype}".encode())
            digest.update(array.tobytes())
        accuracy = simulator.score(digits.x_test, digits.y_test)
    return f"{digest.hexdigest()}  {100 * accuracy:.2f} %"


def main() -> None:
    """Print one line per system and precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", nargs="+", default=sorted(SYSTEMS), metavar="NAME")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--backend", default="cpp")
    options = parser.parse_args()
    for name in options.systems:
        for dtype in ("float32", "float64"):
            found = weight_hash(name, dtype, options.epochs, options.backend)
            print(f"{name:26} {dtype}  {found}", flush=True)


if __name__ == "__main__":
    main()
