"""Episodes: failures of one loop that lie close together, counted each and logged once."""

import asyncio
import logging
import random
from collections import Counter

from models.postgresql.database import CONNECTION_ERRORS
from models.refusals import RefusalCode, Refused

logger = logging.getLogger("parley.background")

FIRST_PAUSE_S = 0.05
# An episode ends when no failure came for so long.
QUIET_S = 10.0

AwayErrors = tuple[type[BaseException], ...]


class Episode:
    """The failures of one loop, or of tasks of one name, until none came for `QUIET_S`. Each is
    counted by name and kind: "away" or "unexpected".
    """

    def __init__(
        self, name: str, counted: Counter[tuple[str, str]], away: AwayErrors, longest_pause_s: float
    ) -> None:
        self._name = name
        self._counted = counted
        self._away = (*CONNECTION_ERRORS, *away)
        self._longest_pause_s = longest_pause_s
        self._in_a_row = 0
        self._failures = 0
        self._begun_at = 0.0
        self._failed_at = 0.0
        # Classes of errors that were logged in this episode.
        self._told: set[type[BaseException]] = set()

    def begin_round(self) -> None:
        self._begun_at = asyncio.get_running_loop().time()

    def note_alone(self, error: BaseException) -> None:
        """Count and log an error of work that has no rounds."""
        if asyncio.get_running_loop().time() - self._failed_at > QUIET_S:
            self._end()
        self.begin_round()
        self.note_failure(error)

    def note_failure(self, error: BaseException) -> float:
        """Count the error, log it if it is new in this episode, and return the seconds to pause."""
        now = asyncio.get_running_loop().time()
        if self._told and now - self._begun_at > QUIET_S:
            # The round went well for as long.
            self._end()
        away = self._is_away(error)
        self._counted[self._name, "away" if away else "unexpected"] += 1
        self._failures += 1
        self._in_a_row += 1
        self._failed_at = now
        if type(error) not in self._told:
            self._told.add(type(error))
            self._tell(error, away)
        pause_s = FIRST_PAUSE_S * 2.0 ** min(self._in_a_row - 1, 16)
        return min(self._longest_pause_s, pause_s) * random.uniform(0.5, 1.0)

    def note_success(self) -> None:
        self._in_a_row = 0
        if not self._told:
            return
        if asyncio.get_running_loop().time() - self._failed_at > QUIET_S:
            logger.info(
                "Background work is well again",
                extra={"loop": self._name, "failures": self._failures},
            )
            self._end()

    def _end(self) -> None:
        self._told.clear()
        self._failures = self._in_a_row = 0

    def _is_away(self, error: BaseException) -> bool:
        if isinstance(error, Refused):
            return error.code is RefusalCode.UNAVAILABLE
        return isinstance(error, self._away)

    def _tell(self, error: BaseException, away: bool) -> None:
        extra = {"loop": self._name}
        if away:
            logger.warning(
                "Background work waits for a service that is away: %s",
                type(error).__name__,
                extra=extra,
            )
        else:
            logger.error("Background work failed, and goes on", extra=extra, exc_info=error)
