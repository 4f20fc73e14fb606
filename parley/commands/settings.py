"""`settings`: print the page of settings."""

import argparse
import sys

from parley.printed.settings import print_settings
from parley.settings import Settings


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    sys.stdout.write(print_settings())
    return 0
