"""The command line: what an operator can mend is one sentence and an exit code."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from parley.command_line import COMMANDS, parse
from parley.supervision.part import CHECKOUT


def parley(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "parley", *arguments],
        env={"PATH": os.defpath, "PYTHONPATH": str(CHECKOUT), **environment},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_says_what_it_can_do(arguments: list[str]) -> None:
    ran = parley(*arguments)

    assert ran.returncode == 0
    assert ran.stdout.startswith("Usage: python -m parley <command>\n")
    assert ran.stderr == ""


def test_an_unknown_command_shows_the_known_ones() -> None:
    ran = parley("sevre")

    assert ran.returncode == 2
    assert ran.stderr.startswith("Parley has no command 'sevre'.\n\nUsage: ")
    assert ran.stderr.endswith("\nDid you mean 'serve'?\n")


def test_a_command_that_is_like_none_suggests_none() -> None:
    assert "Did you mean" not in parley("qqq").stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([name, "--help"])

    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert said.startswith(f"Usage: python -m parley {name} ")
    assert COMMANDS[name].description in " ".join(said.split()).replace("- ", "-")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "jobs retry x",
            "jobs retry cannot run: argument ID: the id of a job is a number, not 'x'.",
        ),
        ("jobs retry", "jobs retry cannot run: the following arguments are required: ID."),
        ("serve now", "serve cannot run: it knows no 'now'."),
        ("check-media --rep", "check-media cannot run: it knows no '--rep'."),
        (
            "migrate --shards 0",
            "migrate cannot run: argument --shards: it must be between 1 and 4096, not 0.",
        ),
    ],
)
def test_a_wrong_argument_is_one_sentence_after_the_usage(
    words: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words.split())

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("Usage: python -m parley ")
    assert said.splitlines()[-1] == f"python -m parley {sentence}"


def test_what_a_command_is_told_reaches_it() -> None:
    assert vars(parse(["jobs"])) == {"command": "jobs", "action": None}
    assert parse(["jobs", "drop", "7", "8"]).job_ids == [7, 8]
    assert parse(["jobs", "retry-all", "push"]).kind == "push"
    assert parse(["migrate", "--shards", "32"]).shards == 32
    assert vars(parse(["seed", "--world", "world.json", "--idle", "3"])) == {
        "command": "seed",
        "world": Path("world.json"),
        "idle": 3,
    }


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"PARLEY_PORT": "http"}, "PARLEY_PORT must be a number, not 'http'.\n"),
        (
            {"DATABASE_URL": "mysql://there"},
            "DATABASE_URL must begin with postgresql:// or postgres://.\n",
        ),
        ({"PARLEY_ENV": "test"}, "PARLEY_ENV must be 'development' or 'production'.\n"),
    ],
)
def test_a_wrong_setting_is_one_sentence(environment: dict[str, str], sentence: str) -> None:
    ran = parley("dev", **environment)

    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", sentence)


def test_a_port_that_somebody_has_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = parley("dev", PARLEY_PORT=port, PARLEY_DATA_DIR=str(tmp_path))

    assert ran.returncode == 2
    assert ran.stderr == (
        f"PARLEY_PORT {port} on 127.0.0.1 is in use by another program; "
        "stop that or set another PARLEY_PORT.\n"
    )


def test_the_supervisor_loads_neither_graphql_nor_a_database_driver() -> None:
    """They take longer to load than the servers take to start."""
    code = "import sys, parley.commands.dev, parley.cli; sys.stdout.write(' '.join(sys.modules))"

    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )

    loaded = set(ran.stdout.split())
    assert not loaded & {
        "strawberry",
        "graphql",
        "asyncpg",
        "sqlalchemy",
        "redis",
        "asyncio",
        "pydantic",
    }
