"""The page of all decision records names each of them, by its number, title and file."""

import re
from pathlib import Path

DECISIONS = Path(__file__).parents[3] / "docs" / "decisions"
ROW = re.compile(r"^\| \[(?P<title>\d+\. [^|]+)\]\((?P<file>[^)]+)\) \| (?P<sentence>[^|]+\.) \|$")


def titles() -> dict[str, str]:
    """Return the title of each record, by the name of its file."""
    return {
        path.name: path.read_text().splitlines()[0].removeprefix("# ")
        for path in sorted(DECISIONS.glob("[0-9]*.md"))
    }


def rows() -> list[re.Match[str]]:
    """Return the rows of the page that are as they should be."""
    lines = (DECISIONS / "README.md").read_text().splitlines()
    return [row for line in lines if (row := ROW.match(line))]


def test_every_record_has_a_row_with_its_title_and_one_sentence() -> None:
    assert {row["file"]: row["title"] for row in rows()} == titles()
    assert len(rows()) == len(titles())


def test_records_have_numbers_of_their_own() -> None:
    numbers = [int(name[:4]) for name in titles()]

    assert len(set(numbers)) == len(numbers)
    assert [int(title.split(".")[0]) for title in titles().values()] == numbers
