"""`check-schema`: whether clients of the last release can use the schema that the code prints."""

import argparse
import sys
from pathlib import Path

from parley.schema import print_schema
from parley.schema_changes import list_breaks, read_releases
from parley.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[2]


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    breaks = list_breaks(
        print_schema(),
        read_releases(CHECKOUT / "docs" / "releases"),
        (CHECKOUT / "CHANGELOG.md").read_text(),
    )
    for what in breaks:
        sys.stderr.write(
            f"{what} This breaks clients of the last release. Mark it @deprecated for two releases "
            'first, or name it in a line of CHANGELOG.md under "Unreleased" that begins with '
            '"- BREAKS:".\n'
        )
    return 1 if breaks else 0
