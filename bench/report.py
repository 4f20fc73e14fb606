"""The table of a run: medians by work and contestant, the ratios, and whether the floor holds."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

PARLEY, NAIVE = "parley", "naive"
# Parley does so many times as much as the naive peer; issue 3.
FLOORS = {"w1": 10.0, "w3": 10.0}
MEANINGS = {
    "w1": "durable sends, 64 senders",
    "w2": "send to other's screen, at a fixed rate",
    "w2max": "send to other's screen, 64 senders",
    "w3": "deliveries, 1 sender, 99 followers",
    "w3b": "w3 by the inbox, as caches write it",
    "w5": "pages of 50 of a long chat, 16 readers",
}
_HEAD = ("work", "who", "per s", "p50 ms", "p99 ms", "server us", "postgresql us", "generator")


class Row(NamedTuple):
    """The medians of one contestant's rounds of one work."""

    work: str
    name: str
    per_s: float
    p50_ms: float
    p99_ms: float
    server_us: float
    postgresql_us: float
    generator_share: float

    def cells(self) -> tuple[str, ...]:
        return (
            self.work,
            self.name,
            f"{self.per_s:,.0f}",
            f"{self.p50_ms:,.1f}",
            f"{self.p99_ms:,.1f}",
            f"{self.server_us:,.0f}" if self.server_us >= 100 else f"{self.server_us:,.1f}",
            f"{self.postgresql_us:,.0f}",
            f"{self.generator_share:.2f}",
        )


def median_row(work: str, name: str, results: Sequence[dict[str, Any]]) -> Row:
    def median(*path: str) -> float:
        values = []
        for result in results:
            value: Any = result
            for key in path:
                value = value.get(key, 0)
            values.append(float(value))
        return statistics.median(values)

    return Row(
        work,
        name,
        median("per_s"),
        median("p50_ms"),
        median("p99_ms"),
        median("cpu_us", "server"),
        median("cpu_us", "postgresql"),
        median("cpu_share", "generator"),
    )


def ratio(rows: Iterable[Row], work: str) -> float | None:
    """Return how many times as much Parley does in a second; None where it is not a matter of how
    much.
    """
    per_s = {row.name: row.per_s for row in rows if row.work == work}
    if work in ("w2", "w3rate") or PARLEY not in per_s or not per_s.get(NAIVE):
        return None
    return per_s[PARLEY] / per_s[NAIVE]


def below_floor(rows: Sequence[Row]) -> list[str]:
    """Return a sentence for each floor that does not hold."""
    return [
        f"{work.upper()} is {found:.1f} times the naive peer, below {floor:g}."
        for work, floor in FLOORS.items()
        if (found := ratio(rows, work)) is not None and found < floor
    ]


def table(rows: Sequence[Row]) -> str:
    lines = [_HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(_HEAD))]
    shown = [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join([shown[0], "-" * len(shown[0]), *shown[1:]])


def ratios(rows: Sequence[Row]) -> str:
    lines = []
    for work in dict.fromkeys(row.work for row in rows):
        found = ratio(rows, work)
        cpu = {row.name: row.server_us for row in rows if row.work == work}
        if found is None or not cpu.get(PARLEY):
            continue
        lines.append(
            f"{work}: {found:.1f} x the naive peer's rate, {cpu[NAIVE] / cpu[PARLEY]:.1f} x less "
            f"CPU each ({MEANINGS.get(work, work)})"
        )
    return "\n".join(lines)
