"""Writes the sources of the site: the pages of docs/, what they link to, and a reference.

The folders stay as in the checkout, so that links hold. Sphinx makes HTML of them: `make site`.
"""

import re
import shutil
from pathlib import Path

from graphql import build_schema

from parley.printed.reference import print_reference

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = ("*.md", "docs/**/*.md", "clients/**/*.md", "deploy/**/*.md")
_LINK = re.compile(r"(\[[^\]\n]*\])\(([^)\s#]+)(#[^)\s]*)?\)")


def write_sources(folder: Path) -> None:
    """Write the sources into `folder`, which must be empty or new."""
    for pattern in PAGES:
        for page in CHECKOUT.glob(pattern):
            _write_page(page, folder)
    shutil.copyfile(CHECKOUT / "docs" / "site" / "conf.py", folder / "conf.py")
    shutil.copyfile(CHECKOUT / "docs" / "site" / "index.txt", folder / "index.md")
    shutil.copyfile(CHECKOUT / "schema.graphql", folder / "schema.graphql")
    schema = build_schema((CHECKOUT / "schema.graphql").read_text("utf-8"))
    (folder / "reference").mkdir()
    for name, text in print_reference(schema).items():
        (folder / "reference" / f"{name}.md").write_text(text, "utf-8")


def _write_page(page: Path, folder: Path) -> None:
    """Copy a page and the files that it links to. Of links to folders only the words stay."""

    def keep(link: re.Match[str]) -> str:
        target = (page.parent / link[2]).resolve()
        if "://" in link[2] or target.suffix == ".md":
            return link[0]
        if target.is_dir() or not target.is_relative_to(CHECKOUT):
            return link[1][1:-1]
        _copy(target, folder)
        return link[0]

    written = folder / page.relative_to(CHECKOUT)
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(_LINK.sub(keep, page.read_text("utf-8")), "utf-8")


def _copy(file: Path, folder: Path) -> None:
    copied = folder / file.relative_to(CHECKOUT)
    copied.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, copied)
