"""What `make suites` says, without the tools that it runs."""

import os
import subprocess
import sys

import pytest

from tests.kits.documents import CLIENTS
from tests.suites.outcome import Outcome, of_node_tests, table

SAID = "not ok 2 - it adds\n  ---\n  ...\n# pass {passed}\n# fail {failed}\n# skipped 0\n"


def ended(code: int, said: str) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, stdout=said, stderr="")


def test_without_node_it_says_so_and_ends_with_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.suites"],
        cwd=CLIENTS.parent,
        env={**os.environ, "PATH": "/nowhere"},
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert done.stderr.startswith("make suites: node is not installed")


@pytest.mark.parametrize(("passed", "failed", "code"), [(3, 1, 1), (3, 0, 1), (0, 0, 0)])
def test_a_suite_that_fails_or_runs_nothing_is_not_good(
    passed: int, failed: int, code: int
) -> None:
    outcome = of_node_tests("kit", "node", ended(code, SAID.format(passed=passed, failed=failed)))

    assert not outcome.is_good
    assert outcome.passed == passed


def test_the_table_names_what_is_known_to_fail_and_tells_what_is_new() -> None:
    known = Outcome("Autobahn", "kosoku", 246, 247, "much", ("7.1.5",))
    new = of_node_tests("kit", "node", ended(1, SAID.format(passed=1, failed=1)))

    printed = table([known, new])

    assert known.is_good
    assert "| Autobahn | kosoku | 246 of 247, but 7.1.5 |" in printed
    assert "much" not in printed
    assert "not ok 2 - it adds" in printed
