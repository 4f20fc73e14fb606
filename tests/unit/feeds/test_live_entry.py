"""What of a notice is rendered once for several recipients."""

from datetime import UTC, datetime

import pytest

from models.channels.channels import GroupFacts
from models.log.entries import Entry
from models.messages.messages import Message, MessageKind
from models.messages.notices import NoticeKind, SystemNotice
from subscriptions.live_entry import LiveEntry

AT = datetime(2026, 1, 1, tzinfo=UTC)


def notice(seq: int, *, read_at_seq: int | None) -> LiveEntry:
    """Return a member's removal, and the group's facts as of a seq."""
    message = Message("a", seq, MessageKind.SYSTEM, None, None, None, None, AT)
    message.system = SystemNotice(NoticeKind.MEMBER_REMOVED, "owner", ["removed"])
    facts = None if read_at_seq is None else GroupFacts("a", AT, read_at_seq, "Hikers", None, 2)
    return LiveEntry(Entry("a", seq, AT, message, None, ["removed"], facts), fresh=True)


def test_the_group_as_it_is_at_the_entry_is_shared_by_all_who_are_in_it() -> None:
    entry = notice(7, read_at_seq=7)

    one, other = entry.for_inbox("owner", 1), entry.for_inbox("member", 4)

    assert one is other
    assert one.renderings == {}
    assert one.value.facts.name == "Hikers"


@pytest.mark.parametrize("read_at_seq", [8, None])
def test_the_group_as_it_is_later_is_asked_for_by_each(read_at_seq: int | None) -> None:
    """Some may have left by then: what they are shown is not for others, nor the reverse."""
    occurrence = notice(7, read_at_seq=read_at_seq).for_inbox("member", 1)

    assert occurrence.value.facts is None
    assert occurrence.renderings is None


def test_whom_it_takes_out_is_shown_no_group() -> None:
    for read_at_seq in (7, 8):
        occurrence = notice(7, read_at_seq=read_at_seq).for_inbox("removed", 1)

        assert occurrence.value.gone
        assert occurrence.renderings == {}
