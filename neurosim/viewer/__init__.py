"""The compartment view: one cell over a cycle, in a browser, a page, a notebook or a picture.

=======================  ====================================================================
``opening``, ``source``  recordings of a run, a network, a recording or a file
``inputs``, ``material`` who sends to a cell, read from the circuit; what is recorded for it
``movement``             which cell moves most, and what is too small to be drawn
``data``                 facts and arrays for a browser
``panels``, ``layout``   the one application: its parts, their places; ``view.js`` is what it does
``page``                 the application as a file
``session``, ``server``  the application with a network behind it, and sliders of parameters
``explorer``             parameters that the sliders set
``notebook``             the application in a notebook
``picture``, ``still``   the still picture
``labels``, ``look``     names, headings and checks; one image of a recording
=======================  ====================================================================
"""
