"""Profiles that were read lately, for pages and deliveries: what others see of a user, never what
privacy, blocks or membership decide.

Whoever changes a profile writes a row of `profile_changes` in the same transaction. All rows are in
one bucket, so in one shard, and each process with a cache asks for the newest each second. What is
kept is used only while the last answer is newer than `USED_FOR_S`, so no profile is older than
that.
"""

import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from models.background import Background, Loops
from models.postgresql.database import Database
from models.users.users import BUCKET, User

KEPT = 50_000
KEPT_S = 30.0
POLL_S = 1.0
# A connection that is silent for longer is left, so that another is asked in time.
ANSWERED_WITHIN_S = 0.6
# From when a question was asked whose answer came.
USED_FOR_S = 2.0
# A change commits a moment after the time that it bears, and a reading that began before the commit
# may end a moment after it.
OVERLAP_S = 6.0
# After a longer time without an answer all is read anew.
GAP_S = 60.0


class Profiles:
    """The profiles that one process keeps, the least recently used going first."""

    def __init__(
        self,
        database: Database,
        *,
        loops: Loops | None = None,
        most: int = KEPT,
        poll_s: float = POLL_S,
    ) -> None:
        self._database = database
        self._most = most
        self._poll_s = poll_s
        # By id, with the time from which on it was read.
        self._kept: OrderedDict[str, tuple[User, float]] = OrderedDict()
        # When the last question began that was answered.
        self._asked_at = float("-inf")
        self._background = Background(loops)

    def start(self) -> None:
        self._background.every(
            "profiles", self._poll_s, self.poll, at_once=True, longest_pause_s=self._poll_s
        )

    async def close(self) -> None:
        await self._background.close()

    def find(self, user_ids: Iterable[str]) -> dict[str, User]:
        """Return those that are kept, by id; none while it is not known what has changed."""
        now = time.monotonic()
        if now - self._asked_at > USED_FOR_S:
            return {}
        found = {}
        for user_id in user_ids:
            kept = self._kept.get(user_id)
            if kept is not None and now - kept[1] <= KEPT_S:
                found[user_id] = kept[0]
                self._kept.move_to_end(user_id)
        return found

    def keep(self, users: Iterable[User], began: float) -> None:
        """Keep what a reading has found that began then, in monotonic seconds."""
        for user in users:
            self._kept[user.id] = (user, began)
            self._kept.move_to_end(user.id)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def drop(self, user_ids: Sequence[str]) -> None:
        """Forget these users, who have changed."""
        for user_id in user_ids:
            self._kept.pop(user_id, None)

    async def poll(self) -> None:
        """Ask whose profiles have changed, and drop those.

        Raises:
            Refused: UNAVAILABLE, also where no answer came in time.
        """
        began = time.monotonic()
        passed_s = began - self._asked_at
        if passed_s > GAP_S:
            self._kept.clear()
            passed_s = 0.0
        rows = await self._database.fetch_within(
            ANSWERED_WITHIN_S,
            "SELECT user_id FROM profile_changes "
            "WHERE bucket = $1 AND at > now() - make_interval(secs => $2)",
            BUCKET,
            passed_s + OVERLAP_S,
        )
        self.drop([row["user_id"] for row in rows])
        self._asked_at = began
