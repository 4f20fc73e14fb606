"""`settings`: print the page of settings."""

import argparse
import sys

from parley.settings import Settings
from parley.settings_page import print_settings


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    sys.stdout.write(print_settings())
    return 0
