"""How Sphinx builds the site: `make docs`."""

import re

from sphinx.application import Sphinx

import blipsearch

project = "blipsearch"
author = "the blipsearch authors"
version = release = blipsearch.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["templates"]

default_role = "code"  # docstrings mark names as Markdown does

# Headings are linked by the same names as on GitHub.
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "inherited-members": True, "exclude-members": ""}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# The signature says what a class is made with; its docstring says what for.
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"blipsearch {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False


def setup(app: Sphinx) -> None:
    """Have pages and docstrings changed where Sphinx reads them otherwise than GitHub."""
    app.connect("source-read", _link_files)
    app.connect("autodoc-process-docstring", _draw_tree)


def _link_files(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Offer Markdown files outside of docs/ as files: they are no pages of the site."""
    source[0] = re.sub(r"\]\((\.\./[^)#]+\.md)\)", r"](path:\1)", source[0])


def _draw_tree(_app: Sphinx, what: str, _name: str, _object: object, *rest: object) -> None:
    """Show a module's docstring as it is written: that of the errors is a tree."""
    lines = rest[-1]
    if what == "module" and isinstance(lines, list):
        lines[:] = ["::", "", *(f"   {line}" for line in lines)]
