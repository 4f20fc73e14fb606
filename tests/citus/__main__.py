"""Builds Citus: `python -m tests.citus`. What is missing is one sentence and exit code 2."""

import sys

from tests.citus.building import CitusMissing, build


def main() -> int:
    try:
        build()
    except CitusMissing as missing:
        sys.stderr.write(f"{missing}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
