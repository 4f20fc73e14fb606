"""`features`: print the page of mutations."""

import argparse
import sys

from parley.printed.features import print_features
from parley.settings import Settings


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    sys.stdout.write(print_features())
    return 0
