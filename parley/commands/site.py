"""`site`: write the sources of the site, of which Sphinx makes HTML."""

import argparse

from parley.printed.site import write_sources
from parley.settings import Settings


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    write_sources(arguments.folder)
    return 0
