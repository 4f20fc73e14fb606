"""The table of a run: medians by work and contestant, the ratios, and whether the floor holds."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

PARLEY, NAIVE = "parley", "naive"
# Parley does so many times as much as the naive peer; issue 3.
FLOORS = {"w1": 10.0, "w3": 10.0}
MEANINGS = {
    "w1": "durable sends, 64 senders",
    "w1ws": "the same on websockets",
    "w2": "send to other's screen, at a fixed rate",
    "w2max": "send to other's screen, 64 senders",
    "w3": "deliveries, 1 sender, 99 followers",
    "w3b": "w3 by the inbox, as caches write it",
    "w4": "idle followers",
    "w5": "pages of 50 of a long chat, 16 readers",
    "w6": "acknowledgements of 99 readers after each message",
}
_HEAD = (
    "work",
    "who",
    "per s",
    "p50 ms",
    "p99 ms",
    "server us",
    "postgresql us",
    "generator",
    "KiB",
)


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
    kib_per_socket: float = 0

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
            f"{self.kib_per_socket:.1f}" if self.kib_per_socket else "",
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
        median("kib_per_socket"),
    )


# Where the rate is given, what counts is what an operation costs.
_FIXED_RATE = ("w2", "w3rate")


def rate_ratio(rows: Iterable[Row], work: str, peer: str) -> float | None:
    """Return how many times as much Parley does in a second as the peer; None where it is not a
    matter of how much.
    """
    per_s = {row.name: row.per_s for row in rows if row.work == work}
    if work in _FIXED_RATE or PARLEY not in per_s or not per_s.get(peer):
        return None
    return per_s[PARLEY] / per_s[peer]


def below_floor(rows: Sequence[Row]) -> list[str]:
    """Return a sentence for each floor that does not hold."""
    return [
        f"{work.upper()} is {found:.1f} times the naive peer, below {floor:g}."
        for work, floor in FLOORS.items()
        if (found := rate_ratio(rows, work, NAIVE)) is not None and found < floor
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


def ratio_table(rows: Sequence[Row]) -> str:
    """Return a line for each work and peer: Parley's rate, CPU for an operation, p99 and memory of
    a socket, as multiples of the peer's.
    """
    return "\n".join(
        line
        for work in dict.fromkeys(row.work for row in rows)
        for peer in dict.fromkeys(row.name for row in rows if row.name != PARLEY)
        if (line := _ratio_line(rows, work, peer)) is not None
    )


def _ratio_line(rows: Sequence[Row], work: str, peer: str) -> str | None:
    found = {row.name: row for row in rows if row.work == work}
    if PARLEY not in found or peer not in found:
        return None
    ours, theirs = found[PARLEY], found[peer]
    parts = []
    if (rate := rate_ratio(rows, work, peer)) is not None:
        parts.append(f"rate {rate:.2f} x")
    if theirs.server_us:
        parts.append(f"CPU {ours.server_us / theirs.server_us:.2f} x")
    if theirs.postgresql_us:
        parts.append(f"PostgreSQL {ours.postgresql_us / theirs.postgresql_us:.2f} x")
    if theirs.p99_ms:
        parts.append(f"p99 {ours.p99_ms / theirs.p99_ms:.2f} x")
    if theirs.kib_per_socket > 0:
        parts.append(f"memory {ours.kib_per_socket / theirs.kib_per_socket:.2f} x")
    return f"{work:<6} {peer:<10} {', '.join(parts)}  ({MEANINGS.get(work, work)})"
