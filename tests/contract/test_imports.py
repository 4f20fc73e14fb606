"""The import contracts of pyproject.toml hold, also for those who run only the tests."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def test_every_import_contract_is_kept() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LINT_IMPORTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_an_api_process_loads_no_library_that_it_does_not_need() -> None:
    """SQLAlchemy and Alembic are for migrations, FFmpeg and Pillow for workers: 50 MB together."""
    code = "import sys, parley.commands.serve; sys.stdout.write(' '.join(sys.modules))"

    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    assert "graphql" in loaded
    assert loaded & {"sqlalchemy", "sqlmodel", "alembic", "PIL", "av", "flask"} == set()
