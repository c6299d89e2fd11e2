"""How ``make docs`` makes a site: Sphinx reads the Markdown where it lies, README.md and docs/ alike, and every link
that leads from page to page in the repository does so on the site."""

from pathlib import Path

import textgan_lit

project = "textgan_lit"
version = release = textgan_lit.__version__
copyright = "the textgan_lit authors"
root_doc = "docs/index"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
include_patterns = ["*.md", "docs/**.md", "docs/**.rst", "benchmarks/README.md", "studies/README.md"]
exclude_patterns = ["docs/_templates"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

autodoc_typehints = "signature"  # shapes are annotations
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # those of Lightning and torch speak of their own pages

html_theme = "furo"
html_title = "textgan_lit"
html_theme_options = {"top_of_page_buttons": []}
html_copy_source = False
highlight_language = "none"  # of blocks that name none: samples, what a terminal shows
templates_path = [str(Path(__file__).parent / "_templates")]  # whole: some look from here, some from the root
html_additional_pages = {"index": "first.html"}  # the root of the site leads to docs/index.html
