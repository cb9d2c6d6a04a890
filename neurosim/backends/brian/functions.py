"""Functions that equations may call beside those of Brian2: the larger and the smaller of two."""

from __future__ import annotations

import brian2 as b2
import numpy as np

__all__ = ["OWN_FUNCTIONS", "own_functions"]

#: NumPy's function, and the comparison by which C++ chooses the first of two values.
OWN_FUNCTIONS = {"max": (np.maximum, ">"), "min": (np.minimum, "<")}


def own_functions() -> dict[str, b2.Function]:
    """New Brian2 functions, to which a back end may add its implementations.

    Returns
    -------
    dict of str to brian2.Function
        By the names that equations use; of two values of one unit.
    """
    return {
        name: b2.Function(
            function,
            arg_names=["a", "b"],
            arg_units=[None, "a"],
            return_unit=lambda a, _: a,
        )
        for name, (function, _) in OWN_FUNCTIONS.items()
    }
