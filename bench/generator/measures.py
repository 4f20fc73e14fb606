"""What is counted while a work runs: latencies, completions by half second, CPU seconds from
/proc.

CPU is counted by process trees that are named by their root, so that other servers on the machine
do not count. Elsewhere than on Linux there is no /proc, and CPU is left out.
"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
WINDOW_S = 0.5

now = time.perf_counter


def percentile(values: Sequence[float], percent: float) -> float:
    """0 where there are no values."""
    if not values:
        return 0
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def summary(latencies_s: Sequence[float]) -> dict[str, float]:
    return {
        "p50_ms": round(percentile(latencies_s, 50) * 1000, 2),
        "p99_ms": round(percentile(latencies_s, 99) * 1000, 2),
        "max_ms": round(max(latencies_s, default=0) * 1000, 2),
    }


class Windows:
    """Completions by half second: their median holds where a disk stalls now and then."""

    def __init__(self) -> None:
        self._began = now()
        self._counts: dict[int, int] = {}

    def add(self) -> None:
        place = int((now() - self._began) / WINDOW_S)
        self._counts[place] = self._counts.get(place, 0) + 1

    def median_per_s(self) -> int:
        """The first and the last window are not whole, and do not count."""
        last = int((now() - self._began) / WINDOW_S)
        counts = [self._counts.get(place, 0) for place in range(1, max(2, last))]
        return round(percentile(counts, 50) / WINDOW_S)


class _Process(NamedTuple):
    parent: int
    cpu_s: float


class Cpu:
    """CPU seconds of the named process trees and of this process, since it was made."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        self._roots = roots
        self._began = now()
        self._before = self._read()

    def stop(self, operations: int) -> dict[str, dict[str, float]]:
        """Return the share of a core that each used, and its microseconds per operation."""
        after, took_s = self._read(), now() - self._began
        used = {name: after[name] - self._before[name] for name in after}
        return {
            "cpu_share": {name: round(cpu_s / took_s, 2) for name, cpu_s in used.items()},
            "cpu_us": {
                name: round(cpu_s / max(1, operations) * 1e6, 1) for name, cpu_s in used.items()
            },
        }

    def _read(self) -> dict[str, float]:
        processes = _list_processes()
        used = {
            name: sum(processes[pid].cpu_s for pid in _tree(root, processes))
            for name, root in self._roots.items()
        }
        return {**used, "generator": time.process_time()}


def memory_kib(root: int) -> int:
    """Return the resident memory of a process tree."""
    total = 0
    for pid in _tree(root, _list_processes()):
        try:
            status = (PROC / str(pid) / "status").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line)
    return total


def _list_processes() -> dict[int, _Process]:
    found: dict[int, _Process] = {}
    for entry in PROC.iterdir() if PROC.is_dir() else ():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        # After the name, which may hold anything: state, parent, …, user and system time, and
        # those of children that were waited for, as PostgreSQL's backends are.
        fields = stat[stat.rindex(")") + 2 :].split()
        ticks = sum(int(field) for field in fields[11:15])
        found[int(entry.name)] = _Process(int(fields[1]), ticks / TICKS_PER_S)
    return found


def _tree(root: int, processes: Mapping[int, _Process]) -> set[int]:
    members: set[int] = set()
    pending = [root]
    while pending:
        pid = pending.pop()
        if pid in members or pid not in processes:
            continue
        members.add(pid)
        pending += [child for child, process in processes.items() if process.parent == pid]
    return members
