"""Looks for what the tests of the cluster need: what is missing is one sentence and exit code 2."""

import sys

from tests.cluster.servers import ValkeyMissing, find_binary


def main() -> int:
    try:
        find_binary()
    except ValkeyMissing as missing:
        sys.stderr.write(f"{missing}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
