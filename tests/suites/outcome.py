"""What came of an outside suite: a row of the table."""

import re
import subprocess
from dataclasses import dataclass

# The end of what `node --test` says with its reporter `tap`.
COUNTS = re.compile(r"^# (pass|fail|cancelled|skipped|todo) (\d+)$", re.MULTILINE)
# What it says of a test that failed, or a tool of ours of a check.
FAILED = re.compile(
    r"^not ok.*?^  \.\.\.$|^# (?:error|warn|notice): .*?$", re.MULTILINE | re.DOTALL
)
LAST_LINES = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    suite: str
    # The tool, with its version.
    tool: str
    passed: int
    total: int
    note: str = ""
    # Checks that are known to fail, each with the reason in docs/suites.md.
    known: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        return self.passed > 0 and self.passed + len(self.known) == self.total

    @property
    def row(self) -> str:
        but = f", but {', '.join(self.known)}" if self.known else ""
        return f"| {self.suite} | {self.tool} | {self.passed} of {self.total}{but} |"


def of_node_tests(suite: str, tool: str, done: subprocess.CompletedProcess[str]) -> Outcome:
    """Count what `node --test --test-reporter=tap` said."""
    counts = {name: int(count) for name, count in COUNTS.findall(done.stdout)}
    passed, total = counts.get("pass", 0), sum(counts.values())
    if done.returncode or passed != total:
        total = max(total, passed + 1)
        said = [*FAILED.findall(done.stdout), *done.stderr.splitlines()[-LAST_LINES:]]
        return Outcome(suite, tool, passed, total, "\n".join(said) or last_lines(done))
    return Outcome(suite, tool, passed, total)


def of_command(suite: str, tool: str, done: subprocess.CompletedProcess[str]) -> Outcome:
    """Count a command that either does it or not."""
    if done.returncode:
        return Outcome(suite, tool, 0, 1, last_lines(done))
    return Outcome(suite, tool, 1, 1)


def last_lines(done: subprocess.CompletedProcess[str]) -> str:
    said = "\n".join(part for part in (done.stdout, done.stderr) if part).strip()
    return "\n".join(said.splitlines()[-LAST_LINES:])


def table(outcomes: list[Outcome]) -> str:
    """Return the rows in Markdown, and below it what the failed ones said."""
    rows = [
        "| suite | tool | passed |",
        "|---|---|---|",
        *(each.row for each in outcomes),
    ]
    said = [f"\n{each.suite}:\n{each.note}" for each in outcomes if each.note and not each.is_good]
    return "\n".join([*rows, *said])
