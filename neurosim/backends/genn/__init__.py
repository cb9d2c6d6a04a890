"""Back end that translates a circuit to a model of GeNN."""
