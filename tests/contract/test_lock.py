"""The locks pin every package by hash and name no place to get it from: any index will do."""

import re
import tomllib
from importlib.metadata import requires
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "requirements"
PYTHONS = ("3.11.0", "3.11.9", "3.12.9", "3.13.9", "3.14.0")
PLATFORMS = (
    ("linux", "Linux", "x86_64"),
    ("linux", "Linux", "aarch64"),
    ("darwin", "Darwin", "x86_64"),
    ("darwin", "Darwin", "arm64"),
)
PIN = re.compile(r"([a-z0-9][a-z0-9._-]*)==(\S+) \\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)")


def pins(lock: str) -> dict[str, str]:
    return {found[1]: found[2] for found in PIN.finditer((LOCKS / lock).read_text())}


@pytest.mark.parametrize("lock", ["base.txt", "dev.txt", "explorer.txt"])
def test_holds_nothing_but_pins_with_hashes(lock: str) -> None:
    text = (LOCKS / lock).read_text()

    rest = [line for line in PIN.sub("", text).splitlines() if line.strip()]

    assert pins(lock)
    assert [line for line in rest if not line.lstrip().startswith("#")] == []


@pytest.mark.parametrize("lock", ["base.txt", "dev.txt", "explorer.txt"])
def test_names_no_index_and_no_address(lock: str) -> None:
    text = (LOCKS / lock).read_text()

    assert re.findall(r"://|--(?:extra-)?index-url|--find-links|--trusted-host|\s@\s", text) == []


def test_dev_lock_holds_the_base_lock() -> None:
    assert pins("base.txt").items() <= pins("dev.txt").items()


def applies_somewhere(requirement: Requirement, extras: set[str]) -> bool:
    return requirement.marker is None or any(
        requirement.marker.evaluate(
            {
                "python_version": python.rpartition(".")[0],
                "python_full_version": python,
                "sys_platform": platform,
                "platform_system": system,
                "platform_machine": machine,
                "extra": extra,
            }
        )
        for python, (platform, system, machine), extra in product(
            PYTHONS, PLATFORMS, extras or {""}
        )
    )


def test_holds_what_any_supported_python_and_platform_needs() -> None:
    """`make` installs with --no-deps, and the lock is resolved on one Python and one platform."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = pins("base.txt")
    waiting = [Requirement(text) for text in project["dependencies"]]
    seen: set[str] = set()

    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        name = canonicalize_name(requirement.name)
        assert name in locked, requirement
        assert requirement.specifier.contains(locked[name], prereleases=True), requirement
        needs = [Requirement(text) for text in requires(name) or []]
        waiting += [need for need in needs if applies_somewhere(need, requirement.extras)]
