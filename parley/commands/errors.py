"""`errors`: print the page of codes."""

import argparse
import sys

from parley.printed.errors import print_errors
from parley.settings import Settings


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    sys.stdout.write(print_errors())
    return 0
