"""docs/errors.md lists every code that a client can get, and says what to do."""

import re
from pathlib import Path

from models.close_codes import CloseCode
from models.log.events import TooFarBehind
from models.refusals import RefusalCode
from parley.engine import errors, persisted
from parley.printed.error_advice import CLOSES, ERRORS, REFUSALS
from parley.printed.errors import print_errors

ROOT = Path(__file__).resolve().parents[3]
CODE = re.compile(r"[A-Z]+(?:_[A-Z]+)*")
# A code as it is written where an error is made: an argument, a constant or an entry of extensions.
WRITTEN = re.compile(
    r'(?:"code": |with_code\(\w+, |BadRequest\(\d+, \w+, |_TOO_LARGE = )"([A-Z_]+)"'
)


def test_the_page_is_what_the_code_prints() -> None:
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")

    assert page == print_errors(), "docs/errors.md differs from the code: make errors"


def test_every_refusal_and_every_close_code_has_advice() -> None:
    assert set(REFUSALS) == set(RefusalCode)
    assert set(CLOSES) == set(CloseCode)


def test_every_code_that_the_engine_names_is_on_the_page() -> None:
    constants = [*vars(errors).items(), *vars(persisted).items()]
    named = {
        value
        for name, value in constants
        if name.isupper() and isinstance(value, str) and CODE.fullmatch(value)
    }

    assert len(named) >= 9
    assert {*named, TooFarBehind.code} <= set(ERRORS)


def test_every_code_that_the_sources_write_out_is_on_the_page() -> None:
    folders = ("parley", "schema", "resolvers", "subscriptions")
    texts = (
        path.read_text("utf-8") for folder in folders for path in (ROOT / folder).rglob("*.py")
    )
    written = {code for text in texts for code in WRITTEN.findall(text)}

    assert {"FORBIDDEN", "TOO_LARGE"} <= written
    assert written <= {*ERRORS, *(code.value for code in RefusalCode)}
