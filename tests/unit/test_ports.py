"""Ports that are given to processes which bind them later."""

import subprocess
import sys
from pathlib import Path

from parley.ports import PORT_RANGE
from parley.supervision.part import CHECKOUT

COUNT = 300
GIVE = f"""
from parley.ports import free_port
print("ready", flush=True)
input()
print(*(free_port() for _ in range({COUNT})))
"""


def given_to_two_at_once(folder: Path) -> list[int]:
    """The ports that two processes were given; both have the folder for temporary files."""
    both = [
        subprocess.Popen(
            [sys.executable, "-c", GIVE],
            cwd=CHECKOUT,
            env={"TMPDIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for each in both:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in both:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    return [int(port) for each in both for port in each.communicate(timeout=60)[0].split()]


def test_no_port_is_given_to_two_processes(tmp_path: Path) -> None:
    ports = given_to_two_at_once(tmp_path)

    assert len(ports) == len(set(ports)) == 2 * COUNT


def test_what_is_remembered_may_be_spoilt(tmp_path: Path) -> None:
    given_to_two_at_once(tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_text("half a line\n21000 today\n\n")

    ports = given_to_two_at_once(tmp_path)

    assert len(set(ports)) == 2 * COUNT


def test_ports_are_given_where_nothing_can_be_remembered(tmp_path: Path) -> None:
    given_to_two_at_once(tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.unlink()
    kept.mkdir()

    ports = given_to_two_at_once(tmp_path)

    assert len(ports) == 2 * COUNT
    assert set(ports) <= set(PORT_RANGE)
