"""The engine: turns a circuit description into a running simulation.

``build`` is the one place where Brian2 objects are made; ``cpp`` and
``runtime`` run them chunk by chunk; ``protocol`` is what both have in common.
"""
