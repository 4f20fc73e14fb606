"""The README and docs/settings.md say what is true: every setting, its default, documents that the
API accepts.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from models.limits import Budget, Limits
from parley.settings import DEVELOPMENT_LIMITS, Settings, read_settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
ROW = re.compile(r"^\| `([A-Z0-9_]+)`( †)? \| *`?([^|`]*?)`? *\|", re.MULTILINE)
SETTINGS = (ROOT / "docs" / "settings.md").read_text("utf-8")
ROWS = {name: (bool(mark), default) for name, mark, default in ROW.findall(SETTINGS)}


class Recording(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = variables
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self.variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)


def shown(value: object) -> str:
    return f"{value.amount}/{value.window_s}" if isinstance(value, Budget) else str(value)


def test_tables_name_every_setting_and_no_other() -> None:
    environment = Recording(
        {
            "PARLEY_ENV": "development",
            "PARLEY_HOST": "0.0.0.0",
            "PARLEY_DEVELOPMENT_OPEN": "1",
        }
    )

    read_settings(environment)

    assert set(ROWS) == environment.asked


@pytest.mark.parametrize("limit", [limit.name for limit in dataclasses.fields(Limits)])
def test_table_gives_the_default_of_a_limit(limit: str) -> None:
    default = getattr(Limits(), limit)
    raised = getattr(DEVELOPMENT_LIMITS, limit) != default

    assert ROWS[f"PARLEY_{limit.upper()}"] == (raised, shown(default))


@pytest.mark.parametrize(
    "setting",
    ["environment", "host", "port", "own_port", "data_dir", "api_processes", "s3_bucket"],
)
def test_table_gives_the_default_of_a_setting(setting: str) -> None:
    names = {"environment": "PARLEY_ENV", "s3_bucket": "S3_BUCKET"}

    name = names.get(setting, f"PARLEY_{setting.upper()}")
    assert ROWS[name] == (False, str(getattr(Settings(), setting)))


@pytest.mark.parametrize(
    "document", re.findall(r"^```graphql\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
)
def test_document_fits_the_schema(document: str) -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text("utf-8"))

    assert validate(schema, parse(document)) == []


def test_rows_of_the_readme_are_rows_of_the_table_of_settings() -> None:
    rows = re.findall(r"^\| `(?:[A-Z0-9]+_)*[A-Z0-9]+`.*$", README, re.MULTILINE)

    assert len(rows) == 10
    assert [row for row in rows if row not in SETTINGS.splitlines()] == []


def test_every_variable_has_one_row() -> None:
    names = [name for name, _, _ in ROW.findall(SETTINGS)]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("page", ["README.md", "docs/settings.md"])
def test_every_linked_file_is_there(page: str) -> None:
    links = re.findall(r"\]\(([\w./-]+)\)", (ROOT / page).read_text("utf-8"))

    assert links
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []
