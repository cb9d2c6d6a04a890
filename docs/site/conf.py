"""Settings of Sphinx; `make docs` gathers the pages and builds the site."""

from __future__ import annotations

import re
from typing import Any

import latex2mathml.converter
from docutils import nodes
from sphinx.util import logging

from neurosim import __version__

log = logging.getLogger(__name__)

project = "neurosim"
author = "the authors of neurosim"
copyright = author
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
root_doc = "index"
html_theme = "furo"
html_title = f"neurosim {__version__}"
html_static_path: list[str] = []
html_copy_source = False

# ---------------------------------------------------------------- Markdown and notebooks

myst_enable_extensions = ["dollarmath"]
# as on a forge: ```math is a formula, and headings are link targets
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True
# fields of several classes share names, which is no fault of a page
suppress_warnings = ["mystnb.unknown_mime_type", "ref.python"]

# ---------------------------------------------------------------- docstrings

napoleon_google_docstring = False
napoleon_use_rtype = False
# attributes that are properties as well are told once
napoleon_use_ivar = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    # made by scikit-learn, with links into its own pages
    "exclude-members": "set_fit_request, set_partial_fit_request, set_score_request",
}


# ---------------------------------------------------------------- formulas that need no network


def _mathml(self: Any, node: nodes.Element) -> None:
    """Write a formula as MathML, which browsers show by themselves."""
    display = "block" if isinstance(node, nodes.math_block) else "inline"
    # latex2mathml does not know the large form, and aligns in align* only
    source = re.sub(r"\\(?:[bB]ig[lr]?|displaystyle)(?![a-z])", "", node.astext())
    source = source.replace("{aligned}", "{align*}").replace(r"\^{}", "^")
    made = latex2mathml.converter.convert(source, display=display)
    # within words it leaves the escapes
    made = re.sub(r"\\([_#%$])", r"\1", made)
    # browsers read how a column is aligned from its style only
    made = made.replace('columnalign="', 'style="text-align: ')
    if "\\" in made or "<mi>&</mi>" in made:
        log.warning("a formula is not understood: %s", source, location=node)
    self.body.append(made)
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Register the renderer of formulas."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(_mathml, None), block_renderers=(_mathml, None)
    )
    app.config.html_math_renderer = "mathml"
