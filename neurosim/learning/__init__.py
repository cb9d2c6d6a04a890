"""Learning, prediction and analysis of one network."""
