"""Reports: what is kept of them, who may make them, and how many."""

import json
from typing import Any

import pytest

from models.limits.limits import Budget
from models.postgresql.database import Database
from tests.make import REFUSAL, Person
from tests.serving import ServedWith

REPORT = f"""mutation ($input: ReportInput!) {{ report(input: $input) {{
    __typename ... on ReportPayload {{ reportId }} {REFUSAL} }} }}"""
UNKNOWN_USER = "usr_" + "0" * 32
UNKNOWN_MESSAGE = "msg_" + "0" * 32 + "_1"


async def report(person: Person, **input: Any) -> Any:
    return await person.mutate(REPORT, input={"reason": "Spam"} | input)


async def test_a_message_is_kept_as_it_was(
    alice: Person, bob: Person, chat: str, database: Database
) -> None:
    message = await alice.say(chat, "Buy this")

    reported = await report(bob, messageId=message["id"], reason="It is\nspam.")
    await database.execute("UPDATE messages SET text = NULL, deleted_at = now()")

    row = await database.fetchrow("SELECT * FROM reports")
    assert row is not None
    assert reported == {"__typename": "ReportPayload", "reportId": "rep_" + row["id"]}
    assert (row["user_id"], row["reported_user_id"], row["seq"], row["reason"]) == (
        bob.user.id,
        alice.user.id,
        1,
        "It is\nspam.",
    )
    kept = json.loads(row["message"])
    assert (kept["kind"], kept["text"], kept["sender_id"]) == ("TEXT", "Buy this", alice.user.id)


async def test_a_user_is_reported_alone_or_with_their_message(
    alice: Person, bob: Person, chat: str, database: Database
) -> None:
    message = await alice.say(chat, "Buy this")

    for named in ({"userId": alice.id}, {"userId": alice.id, "messageId": message["id"]}):
        assert (await report(bob, **named))["__typename"] == "ReportPayload"

    rows = await database.fetch("SELECT reported_user_id, seq FROM reports ORDER BY at")
    assert [tuple(row) for row in rows] == [(alice.user.id, None), (alice.user.id, 1)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"userId": None}, "userId"),
        ({"reason": ""}, "reason"),
        ({"reason": " \n "}, "reason"),
        ({"reason": "x" * 1001}, "reason"),
        ({"reason": "\x07"}, "reason"),
    ],
    ids=["nothing named", "no reason", "blank reason", "long reason", "control characters"],
)
async def test_what_is_not_a_report(
    alice: Person, bob: Person, database: Database, changes: Any, field: str
) -> None:
    refused = await report(bob, **({"userId": alice.id} | changes))

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", field)
    assert await database.fetchval("SELECT count(*) FROM reports") == 0


async def test_a_message_of_somebody_else_is_not_theirs(
    alice: Person, bob: Person, carol: Person, chat: str
) -> None:
    message = await alice.say(chat, "Hello")

    refused = await report(bob, userId=carol.id, messageId=message["id"])

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "userId")


async def test_what_one_may_not_see_does_not_exist(
    alice: Person, carol: Person, chat: str, database: Database
) -> None:
    message = await alice.say(chat, "Hello")

    answers = [
        (await carol.post(REPORT, input={"messageId": message_id, "reason": "Spam"})).content
        for message_id in (UNKNOWN_MESSAGE, message["id"], "nonsense", alice.id)
    ]

    assert b'"NOT_FOUND"' in answers[0]
    assert len(set(answers)) == 1
    assert (await report(carol, userId=UNKNOWN_USER))["code"] == "NOT_FOUND"
    assert await database.fetchval("SELECT count(*) FROM reports") == 0


async def test_reports_are_budgeted_by_user(
    alice: Person, bob: Person, carol: Person, served_with: ServedWith, database: Database
) -> None:
    async with served_with(reports_per_user=Budget(amount=2, window_s=86400)) as server:
        at = bob.at(server)
        answers = [await report(at, userId=alice.id) for _ in range(3)]
        other = await report(carol.at(server), userId=alice.id)

    assert [each["__typename"] for each in answers] == ["ReportPayload"] * 2 + ["Refusal"]
    assert answers[2]["code"] == "RATE_LIMITED"
    assert answers[2]["retryAfterMs"] > 0
    assert other["__typename"] == "ReportPayload"
    assert await database.fetchval("SELECT count(*) FROM reports") == 3
