"""Our folders are top-level packages: what is installed must not shadow them, nor they it."""

from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "parley",
    "models",
    "schema",
    "resolvers",
    "subscriptions",
    "workers",
    "tests",
    "clients",
    "examples",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_installed_distribution_provides(package: str) -> None:
    assert packages_distributions().get(package, []) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_is_imported_from_the_checkout(package: str) -> None:
    assert Path(str(import_module(package).__file__)).parent == ROOT / package


def test_every_test_folder_is_a_package_with_a_name_of_its_own() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}

    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
    assert {folder.name for folder in folders - {ROOT / "tests"}} & set(PACKAGES) == set()
