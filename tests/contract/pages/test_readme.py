"""The README and docs/settings.md say what is true: every setting, its default, documents that the
API accepts.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from models.limits.limits import DEVELOPMENT_LIMITS, Limits
from parley.configuration.variables import list_variables
from parley.printed.settings import print_settings
from parley.settings import Settings, read_settings
from workers.push.providers.settings import ProviderSettings

ROOT = Path(__file__).parents[3]
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


def test_page_of_settings_is_what_the_code_prints() -> None:
    assert print_settings() == SETTINGS, "docs/settings.md differs from the code: make settings"


@pytest.mark.parametrize("environment", ["production", "development"])
def test_page_names_every_variable_that_is_read_and_no_other(environment: str) -> None:
    asking = Recording({"PARLEY_ENV": environment})

    read_settings(asking)

    named = re.findall(r"`([A-Z][A-Z0-9_]+)` counts where it is not set", SETTINGS)
    assert [*sorted(ROWS), *named] == [*sorted(asking.asked - set(named)), *named]


@pytest.mark.parametrize("kind", [Settings, ProviderSettings, Limits])
def test_every_variable_says_what_it_means(kind: type[object]) -> None:
    meanings = [declared.variable.meaning for declared in list_variables(kind)]

    assert meanings
    assert [meaning for meaning in meanings if len(meaning) < 4 or "|" in meaning] == []


@pytest.mark.parametrize("limit", dataclasses.fields(Limits), ids=lambda limit: limit.name)
def test_every_limit_is_a_setting(limit: dataclasses.Field[object]) -> None:
    raised, default = ROWS[f"PARLEY_{limit.name.upper()}"]

    assert default == str(limit.default)
    assert raised == (getattr(DEVELOPMENT_LIMITS, limit.name) != limit.default)


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
