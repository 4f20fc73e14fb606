"""Tells Sphinx how the site is made of the sources that `python -m parley site` writes."""

project = "Parley"
author = "Parley authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "Parley"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_static_path: list[str] = []
# Headings can be linked to by their words, as on pages of code hosts.
myst_heading_anchors = 4
# Files that pages link to are copied as they are.
exclude_patterns = ["_build"]
# Pages beside what they are about (deploy/, clients/) are linked to, and in no list of contents.
# Pygments does not know all of Swift.
suppress_warnings = ["toc.not_included", "misc.highlighting_failure"]
