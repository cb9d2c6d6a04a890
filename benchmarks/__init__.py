"""Measured comparisons: ``python -m benchmarks``.

The same network with the same weights learns the same images in neurosim, in
Brian2 written the usual way, in PyTorch, in NumPy and in plain C, taking turns
on one machine. Every contender is first checked to compute the same update.
"""
