"""How the documentation is built: `make docs`.

Sphinx with MyST and furo, because the reference comes from the docstrings with links that are
checked, search needs no service, and `objects.inv` lets other projects link here. Zensical has no
cross-references of that kind yet, and Material for MkDocs is no longer developed.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from facade._version import __version__

project = "together-speech"
author = "The together-speech developers"
project_copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_markdown_builder",
    "docs_tools.sphinx_blocks",
    "docs_tools.sphinx_reference",
]
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

# In docstrings a name in backticks is one of ours, or code.
default_role = "py:name"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = project
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
copybutton_prompt_text = "$ "
