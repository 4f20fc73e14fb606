"""What `make test-citus` says where it cannot run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("named", ["", "missing.tar.xz"])
def test_without_the_source_of_citus_it_ends_with_2_and_a_sentence(
    named: str, tmp_path: Path
) -> None:
    source = str(tmp_path / named) if named else ""

    done = subprocess.run(
        [sys.executable, "-m", "tests.citus"],
        env={**os.environ, "CITUS_SOURCE": source, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "CITUS_SOURCE must name the source of Citus" in done.stderr
    assert list(tmp_path.iterdir()) == []
