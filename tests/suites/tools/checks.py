"""Checks of a script, counted as `node --test` counts them."""

import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

Check = Callable[[], None]


def run(checks: list[Check]) -> None:
    """Run all, say which failed, and end."""
    failed = 0
    for check in checks:
        try:
            check()
        except Exception as error:
            failed += 1
            sys.stdout.write(f"# error: {check.__name__}: {error!r}\n")
            traceback.print_exc()
    sys.stdout.write(f"# pass {len(checks) - failed}\n# fail {failed}\n")
    sys.exit(1 if failed else 0)


def command(name: str, *words: str) -> None:
    """Run a command of the packages beside this Python."""
    subprocess.run([Path(sys.executable).with_name(name), *words], check=True)
