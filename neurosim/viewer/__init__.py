"""The interactive compartment view: one neuron over a cycle, in a window, a page or a notebook.

``source`` gives recordings of images, live from a network or from a file; ``explorer``
turns parameters into sliders; ``picture`` draws; ``window``, ``page`` and ``notebook``
put controls around the picture.
"""
