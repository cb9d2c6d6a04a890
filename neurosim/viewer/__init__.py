"""The interactive compartment view: one neuron over a cycle, in a window, a page or a notebook.

======================  =====================================================================
``opening``             a source of recordings from a run, a network, a recording or a file
``source``, ``look``    recordings, live from a network or from a file; one image of them
``labels``              names, headings, defaults and checks that all forms of the view share
``explorer``            sliders for parameters
``picture``, ``viewer`` the picture, and the state that controls change
``window``              controls in a window of matplotlib
``notebook``            controls in a notebook
``page``                the page; its data, layout and scripts are in ``page_*``
======================  =====================================================================
"""
