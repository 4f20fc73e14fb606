"""Answers tell how the operation went, so that nobody has to look into their JSON."""

import orjson

from parley.engine.answers import Answer
from tests.engine.toy import Author, Context, make_engine


async def ask(query: str, value: Author) -> Answer:
    engine = make_engine()
    return await engine.execute(engine.prepare(query, None), None, Context(value))


async def test_data_without_errors_is_executed_and_has_not_failed() -> None:
    answer = await ask("{ author { name } }", Author(name='"errors":[{'))

    assert answer == Answer(b'{"data":{"author":{"name":"\\"errors\\":[{"}}}', True, False)


async def test_errors_beside_data_have_failed_however_long_they_are() -> None:
    broken = " ".join(f"{'long' * 75}{number}: broken" for number in range(12))

    answer = await ask(f"{{ author {{ name {broken} }} }}", Author(name="Ada"))

    assert (answer.executed, answer.failed) == (True, True)
    told = orjson.loads(answer.body)
    assert told["data"]["author"]["name"] == "Ada"
    assert len(orjson.dumps(told["errors"])) > 4096


async def test_data_that_json_cannot_hold_is_answered_as_if_nothing_was_executed() -> None:
    answer = await ask("{ author { name } }", Author(name="\ud800"))

    assert (answer.executed, answer.failed) == (False, True)
    assert list(orjson.loads(answer.body)) == ["errors"]
