"""`schema`: print the GraphQL schema."""

import sys
from collections.abc import Sequence

from parley.schema import print_schema
from parley.settings import Settings


def run(settings: Settings, arguments: Sequence[str], *, told: bool) -> int:
    sys.stdout.write(print_schema().rstrip() + "\n")
    return 0
