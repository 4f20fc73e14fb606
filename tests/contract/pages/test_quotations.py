"""Code in the pages that is said to be from a file of the repository is there, word for word. So
what tests that file tests the page.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
QUOTED = re.compile(r"<!-- from: (\S+) -->\n```\w+\n(.*?)^```", re.DOTALL | re.MULTILINE)
QUOTATIONS = [
    (page, file, code)
    for page in sorted((ROOT / "docs").glob("*.md"))
    for file, code in QUOTED.findall(page.read_text("utf-8"))
]


@pytest.mark.parametrize(("page", "file", "code"), QUOTATIONS)
def test_code_is_in_the_file_that_is_named(page: Path, file: str, code: str) -> None:
    assert code in (ROOT / file).read_text("utf-8"), f"{page.name} quotes {file} as it was"


def test_page_about_signing_in_quotes_the_kits() -> None:
    quoted = {file for page, file, _ in QUOTATIONS if page.name == "authentication.md"}

    assert {Path(file).name for file in quoted} == {
        *("authorized.ts", "session.ts", "apollo.ts", "urql.ts", "environment.ts"),
    }
