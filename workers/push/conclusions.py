"""What follows from a provider's answer, whatever was sent."""

import logging
import random

from models.database import Database
from models.push_endpoints import DeadEndpoint, kind_of, prune_endpoints
from models.push_plans import Claim
from workers.push.pushes import Answer, Outcome

logger = logging.getLogger("parley.push")

# Another process is at the same view.
BUSY_S = 2.0
# After its provider has failed: doubled each time, at most so long; by chance down to half of it.
FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 600.0
# Some eight hours.
MOST_FAILURES = 60


def find_retry_s(claim: Claim, answer: Answer) -> float | None:
    """When to try again; None where that would not help, or has not for hours."""
    if answer.outcome is not Outcome.RETRY or claim.failures >= MOST_FAILURES:
        return None
    return max(retry_after_s(claim.failures), answer.retry_after_s or 0.0)


def retry_after_s(failures: int) -> float:
    """Spread out, so that those whose provider failed do not all come back at once."""
    longest = min(LONGEST_RETRY_S, FIRST_RETRY_S * float(2 ** min(failures, 20)))
    return longest * random.uniform(0.5, 1.0)


async def forget_endpoint(database: Database, claim: Claim, answer: Answer) -> None:
    """The provider knows it no more."""
    assert claim.address is not None
    kind = kind_of(claim.address).value
    logger.info("An endpoint is gone", extra={"kind": kind, "said": answer.said})
    key = claim.key
    await prune_endpoints(database, [DeadEndpoint(key.user_id, key.device_id, claim.address)])
