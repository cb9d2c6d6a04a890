"""Each system in plain NumPy: the oracle that the tests compare with."""
