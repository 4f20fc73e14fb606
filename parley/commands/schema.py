"""`schema`: print the GraphQL schema."""

import argparse
import sys

from parley.schema import print_schema
from parley.settings import Settings


def run(settings: Settings, arguments: argparse.Namespace, *, told: bool) -> int:
    sys.stdout.write(print_schema().rstrip() + "\n")
    return 0
