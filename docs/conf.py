"""Sphinx settings. The build needs no network."""

import logging
import tomllib
from pathlib import Path

_pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))

project = "tokenwire"
author = "The tokenwire authors"
copyright = "2026, The tokenwire authors"
release = version = _pyproject["project"]["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["README.md"]
nitpicky = False
default_role = "py:obj"  # `Token` in a docstring is a link where there is something to link to
smartquotes = False  # pages quote JSON

# A pattern in a toctree may match no page yet. Sphinx gives this warning no type, so that
# `suppress_warnings` cannot name it.
logging.getLogger("sphinx.sphinx.directives.other").addFilter(
    lambda record: getattr(record, "subtype", None) != "empty_glob"
)

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
napoleon_attr_annotations = False  # the types stand in the signature
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"tokenwire {release}"


def _keep_first_line(app, what, name, obj, options, lines):
    # Napoleon takes what stands before a colon in an attribute's docstring for its type. Ours are
    # sentences; after a blank line it leaves them alone.
    if what in ("attribute", "data", "property"):
        lines.insert(0, "")


def setup(app):
    app.connect("autodoc-process-docstring", _keep_first_line, priority=400)  # before Napoleon
