"""Which processes live, and whose children they are; one that has ended and waits to be collected
does not live.
"""

import subprocess


def process_table() -> dict[int, int]:
    """Parent by process."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in listing.splitlines()]
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}


def living(pids: set[int]) -> set[int]:
    return pids & process_table().keys()


def descendants(pid: int) -> set[int]:
    table = process_table()
    found = {pid}
    while more := {child for child, parent in table.items() if parent in found} - found:
        found |= more
    return found - {pid}
