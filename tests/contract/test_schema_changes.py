"""Clients of the last release can use today's schema, but for what the changelog says."""

from pathlib import Path

import pytest

from parley.schema import print_schema
from parley.schema_changes import list_breaks, read_releases

CHECKOUT = Path(__file__).resolve().parents[2]
KEPT = "type Query { old: Int, kept(a: Int, b: Int): Kind } enum Kind { ONE, TWO }"
MARKED = """
type Query {
  old: Int @deprecated(reason: "Use kept.")
  kept(a: Int, b: Int @deprecated(reason: "Use a.")): Kind
}
enum Kind { ONE, TWO @deprecated(reason: "Use ONE.") }
"""
WITHOUT = "type Query { kept(a: Int): Kind } enum Kind { ONE }"
REMOVALS = [
    "Field Query.old was removed.",
    "Argument Query.kept(b:) was removed.",
    "Enum value Kind.TWO was removed.",
]


def changelog(*lines: str) -> str:
    return "\n".join(
        ["# Changes", "", "## Unreleased", "", *lines, "", "## 0.1.0", "", "- BREAKS: `Query`"]
    )


def test_no_client_of_the_last_release_breaks_unless_the_changelog_says_so() -> None:
    releases = read_releases(CHECKOUT / "docs" / "releases")

    assert releases
    assert list_breaks(print_schema(), releases, (CHECKOUT / "CHANGELOG.md").read_text()) == []


@pytest.mark.parametrize("releases", [[KEPT], [MARKED], [KEPT, MARKED], [MARKED, KEPT]])
def test_what_was_not_marked_in_the_last_two_releases_may_not_go(releases: list[str]) -> None:
    assert list_breaks(WITHOUT, releases, changelog()) == REMOVALS


def test_what_was_marked_in_the_last_two_releases_may_go() -> None:
    assert list_breaks(WITHOUT, [MARKED, MARKED, KEPT], changelog()) == []


def test_the_changelog_names_what_breaks_at_once() -> None:
    lines = [
        "- BREAKS: `old` went,",
        "  `Kind.TWO` too.",
        "- `Query.kept(b:)` is not needed any more.",
    ]

    assert list_breaks(WITHOUT, [KEPT], changelog(*lines)) == [
        "Argument Query.kept(b:) was removed."
    ]


def test_an_interface_may_be_named_for_its_types() -> None:
    before = "interface A { x: Int! } type B implements A { x: Int! } type Query { b: B }"
    after = before.replace("Int!", "Int")

    assert list_breaks(after, [before], changelog("- BREAKS: `A.x` may be null.")) == []
    assert len(list_breaks(after, [before], changelog("- BREAKS: `C.x` may be null."))) == 2


def test_releases_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for version in ("0.2.0", "0.10.0", "0.9.1"):
        (tmp_path / f"{version}.graphql").write_text(version)

    assert read_releases(tmp_path) == ["0.10.0", "0.9.1", "0.2.0"]
