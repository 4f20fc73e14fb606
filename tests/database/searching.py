"""What tests of search share: channels of messages with given texts and times, and finding them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from models import ids
from models.limits.limits import Limits
from models.messages.search import Hit, search_messages
from models.messages.search_index import build_search_blocks
from models.postgresql.database import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VIEWER, OTHER = "1" * 32, "2" * 32
LIMITS = Limits()
PATIENT = Limits(search_deadline_s=60)

Said = tuple[str, datetime]


async def make_channel(
    database: Database, said: Sequence[Said | None], *, joined_seq: int = 1
) -> str:
    """Return a group of the two; None is an entry that is no message."""
    channel_id = ids.new_id()
    times = [each[1] for each in said if each is not None]
    await database.execute(
        "INSERT INTO channels (id, kind, created_at, last_seq, last_at) VALUES ($1, 2, $2, $3, $4)",
        channel_id,
        NOW,
        len(said),
        max(times, default=None),
    )
    for user_id, since in ((VIEWER, joined_seq), (OTHER, 1)):
        await database.execute(
            "INSERT INTO members (channel_id, user_id, role, joined_at, joined_seq) "
            "VALUES ($1, $2, 1, $3, $4)",
            channel_id,
            user_id,
            NOW,
            since,
        )
        await database.execute("INSERT INTO user_channels VALUES ($1, $2)", user_id, channel_id)
    rows = [(channel_id, n, OTHER, *each) for n, each in enumerate(said, 1) if each is not None]
    async with database.connection() as connection:
        await connection.executemany(
            "INSERT INTO messages (channel_id, seq, kind, sender_id, client_message_id, text, "
            "sent_at) VALUES ($1, $2, 1, $3, $2::integer::text, $4, $5)",
            rows,
        )
    return channel_id


def at(text: str, second: float) -> Said:
    return text, NOW + timedelta(seconds=second)


async def index(database: Database, channel_id: str) -> None:
    while await build_search_blocks(database, channel_id, most=16):
        continue


async def find(database: Database, query: str, **more: Any) -> list[Hit]:
    """All that is found, page by page."""
    asked: dict[str, Any] = {"channel_id": None, "first": 100, "after": None, "limits": PATIENT}
    asked |= more
    found: list[Hit] = []
    while True:
        page, follows = await search_messages(database, VIEWER, query, **asked)
        found += [hit for hit, _ in page]
        if not follows:
            return found
        assert page, "more follows nothing"
        asked["after"] = found[-1]


async def seqs(database: Database, query: str) -> list[int]:
    return [hit.seq for hit in await find(database, query)]
