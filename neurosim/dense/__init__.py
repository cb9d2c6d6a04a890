"""Brian2 C++ standalone code for all-to-all projections as contiguous rows of weights."""
