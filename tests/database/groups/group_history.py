"""A group's log from its beginning: who was in it after each entry, by what the entries say."""

from dataclasses import dataclass

from models.log.entries import Batch, Entry, list_entries
from models.messages.notices import NoticeKind, SystemNotice
from models.postgresql.database import Database

COMING = (NoticeKind.MEMBER_JOINED, NoticeKind.MEMBER_ADDED)


@dataclass(slots=True)
class History:
    """`members[seq]`: the role of everybody who is in it after that entry."""

    channel_id: str
    entries: list[Entry]
    members: dict[int, dict[str, str]]

    @property
    def last_seq(self) -> int:
        return len(self.entries)

    def hears(self, seq: int) -> set[str]:
        """Whom the entry is for: those who are in it after it, and those whom it takes out."""
        return {*self.members[seq], *self.entries[seq - 1].takes_out}


async def read_history(database: Database, channel_id: str) -> History:
    """Return the whole log.

    Raises:
        AssertionError: it has a gap, somebody did what they could not do, or the tables do not say
        what the log says.
    """
    last_seq = await database.fetchval("SELECT last_seq FROM channels WHERE id = $1", channel_id)
    entries = await list_entries(
        database, channel_id, after_seq=0, up_to_seq=last_seq, most=last_seq
    )
    assert [entry.seq for entry in entries] == list(range(1, last_seq + 1))
    history = History(channel_id, entries, {0: {}})
    for entry in entries:
        members = dict(history.members[entry.seq - 1])
        notice = entry.message.system
        if notice is None:
            assert entry.message.sender_id in members, f"{entry.seq}: said by one who was not in it"
        else:
            _apply(notice, members, entry.seq)
        history.members[entry.seq] = members
    await _compare_tables(database, history)
    return history


def _apply(notice: SystemNotice, members: dict[str, str], seq: int) -> None:
    """Apply a notice to the members.

    Raises:
        AssertionError: the notice does not follow from what was before it.
    """
    actor, subjects = notice.actor_id, notice.subject_ids
    assert actor is not None
    if notice.kind is NoticeKind.GROUP_CREATED:
        members[actor] = "OWNER"
    elif notice.kind is not NoticeKind.MEMBER_JOINED:
        assert actor in members, f"{seq}: done by one who was not in it"
    if notice.kind in (*COMING, NoticeKind.GROUP_CREATED):
        comers = [actor] if notice.kind is NoticeKind.MEMBER_JOINED else subjects
        assert not members.keys() & set(comers), f"{seq}: who came was in it"
        members |= dict.fromkeys(comers, "MEMBER")
    elif notice.kind is NoticeKind.ROLE_CHANGED:
        assert notice.value is not None
        assert members[subjects[0]] != notice.value, f"{seq}: it changes nothing"
        members[subjects[0]] = notice.value
    for who in notice.takes_out():
        del members[who]
    if members:
        assert "OWNER" in members.values(), f"{seq}: nobody owns it"


async def _compare_tables(database: Database, history: History) -> None:
    """Both families say the same as the log."""
    roles = {1: "MEMBER", 2: "ADMIN", 3: "OWNER"}
    rows = await database.fetch(
        "SELECT user_id, role, joined_seq, left_seq FROM members WHERE channel_id = $1",
        history.channel_id,
    )
    listed = await database.fetch(
        "SELECT user_id, left_seq FROM user_channels WHERE channel_id = $1", history.channel_id
    )
    left = {row["user_id"]: row["left_seq"] for row in listed}
    assert all(row["left_seq"] == left.get(row["user_id"]) for row in rows)
    inside = {row["user_id"]: roles[row["role"]] for row in rows if row["left_seq"] is None}
    assert inside == history.members[history.last_seq]
    for row in rows:
        joined_seq, left_seq = row["joined_seq"], row["left_seq"] or history.last_seq + 1
        who = row["user_id"]
        assert who not in history.members[joined_seq - 1]
        assert all(who in history.members[seq] for seq in range(joined_seq, left_seq))


def check_recipients(history: History, batches: list[Batch]) -> None:
    """Each entry was sent to whom it is for, and to nobody else, with the entry that brought each
    of them in.

    Raises:
        AssertionError: it was not.
    """
    sent = {entry.seq: batch for batch in batches for entry in batch.entries}
    assert sorted(sent) == list(range(1, history.last_seq + 1))
    for seq, batch in sent.items():
        # The recipients of a batch are as of its newest entry, and those whom any of them took out.
        newest = max(entry.seq for entry in batch.entries)
        for_whom = set(history.members[newest])
        for_whom.update(who for entry in batch.entries for who in entry.takes_out)
        to = batch.recipients[history.channel_id]
        assert set(to.user_ids) == for_whom, f"{seq}"
        for who, joined_seq in zip(to.user_ids, to.joined_seqs, strict=True):
            assert who not in history.members[joined_seq - 1]
            assert who in history.members[joined_seq]
            assert joined_seq <= newest
