"""What the commands that keep parts running say to a person: progress on standard error, the result
on standard out.
"""

import contextlib
import sys

GREEN, PLAIN = "\x1b[32m", "\x1b[0m"


def say(line: str) -> None:
    """One line of progress; a terminal that has gone is no reason to fail."""
    mark = f"{GREEN}·{PLAIN}" if sys.stderr.isatty() else "parley:"
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{mark} {line}\n")
        sys.stderr.flush()


def announce(url: str) -> None:
    with contextlib.suppress(OSError):
        sys.stdout.write(f"Parley is ready: {url}\n")
        sys.stdout.flush()


def address(host: str, port: int) -> str:
    """Return where a browser on this machine finds what listens there."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(
        host, f"[{host}]" if ":" in host else host
    )
    return f"http://{reachable}:{port}/graphql"
