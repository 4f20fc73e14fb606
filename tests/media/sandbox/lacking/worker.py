"""`python -m parley work`, on a machine without Landlock."""

import sys

import tests.media.sandbox.lacking.landlock  # noqa: F401
from parley.cli import main

if __name__ == "__main__":
    sys.exit(main(["work"]))
