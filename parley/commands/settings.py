"""`settings`: print the page of settings."""

import sys
from collections.abc import Sequence

from parley.settings import Settings
from parley.settings_page import print_settings


def run(settings: Settings, arguments: Sequence[str], *, told: bool) -> int:
    sys.stdout.write(print_settings())
    return 0
