"""The numbers that SQL functions answer and compare with are those of the enums."""

import re
from enum import IntEnum
from pathlib import Path

import pytest

import models
from models.channel_kinds import ChannelKind
from models.log.outcomes import AppendOutcome, MoveOutcome
from models.messages.messages import MessageKind
from models.messages.receipts import ReceiptKind

SQL = Path(models.__file__).parent / "sql"


def read_sql(name: str) -> str:
    return (SQL / f"{name}.sql").read_text()


@pytest.mark.parametrize(
    ("function", "outcomes"),
    [
        ("append_messages", AppendOutcome),
        ("append_channel_v1", AppendOutcome),
        ("advance_positions", MoveOutcome),
        ("advance_channel_v1", MoveOutcome),
    ],
)
def test_every_outcome_of_a_function_has_its_name(function: str, outcomes: type[IntEnum]) -> None:
    branches = re.findall(
        r"(?:\bTHEN |\bELSE |\boutcome := |\bv_outcomes .*array_fill\()(\d)\b", read_sql(function)
    )

    assert {int(number) for number in branches} == {outcome.value for outcome in outcomes}


@pytest.mark.parametrize("function", ["append_messages", "append_channel_v1"])
def test_outcomes_mean_what_the_function_says_of_them(function: str) -> None:
    head = read_sql(function).split("CREATE OR REPLACE")[0].replace("\n--", "")

    assert f"{AppendOutcome.APPENDED:d} appended" in head
    assert f"{AppendOutcome.REPEATED:d} repeat of the same draft" in head
    assert f"{AppendOutcome.CONFLICTING:d} same client id but another draft" in head
    assert f"{AppendOutcome.NO_SUCH_CHANNEL:d} no such channel" in head
    assert f"{AppendOutcome.BUSY:d} busy" in head
    assert f"{AppendOutcome.NO_SUCH_ORIGINAL:d} the message replied to is not there" in head
    assert f"{AppendOutcome.MENTIONS_STRANGER:d} somebody mentioned is not a member" in head
    assert f"{AppendOutcome.BLOCKED:d} one of a chat blocks" in head


@pytest.mark.parametrize("function", ["advance_positions", "advance_channel_v1"])
def test_outcomes_of_moves_mean_what_the_function_says_of_them(function: str) -> None:
    head = read_sql(function).split("CREATE OR REPLACE")[0].replace("\n--", "")

    assert f"{MoveOutcome.IN_FORCE:d} in force" in head
    assert f"{MoveOutcome.NOT_A_MEMBER:d} not a member" in head
    assert f"{MoveOutcome.BUSY:d} busy" in head


BUSY_OR_NOTHING = f"WHEN FOUND THEN {AppendOutcome.BUSY:d} ELSE {AppendOutcome.NO_SUCH_CHANNEL:d}"
REPEATED_OR_NOT = f"THEN {AppendOutcome.REPEATED:d} ELSE {AppendOutcome.CONFLICTING:d}"
MOVED_OR_BUSY = (
    f"WHEN x.ord IS NOT NULL THEN {MoveOutcome.IN_FORCE:d} "
    f"WHEN b.user_id IS NOT NULL THEN {MoveOutcome.BUSY:d} ELSE {MoveOutcome.NOT_A_MEMBER:d}"
)
MOVE_BUSY_OR_NOTHING = f"WHEN FOUND THEN {MoveOutcome.BUSY:d} ELSE {MoveOutcome.NOT_A_MEMBER:d}"


@pytest.mark.parametrize(
    ("function", "branch"),
    [
        ("append_messages", f"WHEN c.id IS NULL THEN {AppendOutcome.NO_SUCH_CHANNEL:d}"),
        ("append_messages", f"ANY (v_locked), false) THEN {AppendOutcome.BUSY:d}"),
        ("append_messages", f"WHEN m.draft_hash = d.draft_hash {REPEATED_OR_NOT}"),
        ("append_messages", f"WHEN b.user_id IS NULL THEN {AppendOutcome.NO_SUCH_CHANNEL:d}"),
        ("append_messages", f"AND o.blocks ) THEN {AppendOutcome.BLOCKED:d}"),
        ("append_messages", f"b.joined_seq ) THEN {AppendOutcome.NO_SUCH_ORIGINAL:d}"),
        ("append_messages", f"o.left_seq IS NULL ) ) THEN {AppendOutcome.MENTIONS_STRANGER:d}"),
        ("append_messages", f"ELSE {AppendOutcome.APPENDED:d} END)::smallint AS outcome"),
        ("append_channel_v1", BUSY_OR_NOTHING),
        ("append_channel_v1", f"WHEN v_repeat_hash = p_draft_hashes[i] {REPEATED_OR_NOT}"),
        (
            "append_channel_v1",
            f"v_place IS NULL THEN outcome := {AppendOutcome.NO_SUCH_CHANNEL:d}; "
            f"ELSIF v_blocked THEN outcome := {AppendOutcome.BLOCKED:d}; "
            f"ELSE outcome := {AppendOutcome.APPENDED:d};",
        ),
        (
            "append_channel_v1",
            f"IF NOT v_found THEN outcome := {AppendOutcome.NO_SUCH_ORIGINAL:d};",
        ),
        (
            "append_channel_v1",
            f"<> ALL (v_members) ) THEN outcome := {AppendOutcome.MENTIONS_STRANGER:d};",
        ),
        ("advance_positions", MOVED_OR_BUSY),
        ("advance_channel_v1", MOVE_BUSY_OR_NOTHING),
    ],
)
def test_each_case_has_the_outcome_of_its_name(function: str, branch: str) -> None:
    assert branch in " ".join(read_sql(function).split())


@pytest.mark.parametrize(
    ("function", "text"),
    [
        ("append_messages", f"c.kind = {ChannelKind.CHAT:d} AND NOT b.has_sent AS first_words"),
        ("append_channel_v1", f"v_kind = {ChannelKind.CHAT:d} AND NOT b.has_sent"),
        ("append_channel_v1", f"v_kind = {ChannelKind.CHAT:d} AND b.blocks"),
        ("advance_channel_v1", f"v_kind = {ChannelKind.CHAT:d} THEN"),
        ("advance_channel_v1", f"p_user_ids[i], {ReceiptKind.DELIVERED:d}, v_show_delivered"),
        ("advance_channel_v1", f"p_user_ids[i], {ReceiptKind.READ:d}, v_show_read"),
        ("advance_positions", f"c.kind = {ChannelKind.CHAT:d} AND EXISTS"),
        ("advance_positions", f"{ReceiptKind.DELIVERED:d}::smallint AS kind, y.after"),
        ("advance_positions", f"{ReceiptKind.READ:d}::smallint, y.after"),
        ("build_search_blocks_v2", f"m.kind <> {MessageKind.SYSTEM:d}"),
        ("search_words", f"m.kind <> {MessageKind.SYSTEM:d}"),
    ],
)
def test_functions_compare_with_the_numbers_of_the_enums(function: str, text: str) -> None:
    assert text in read_sql(function)
