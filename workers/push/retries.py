"""What follows from a provider's answer, whatever was sent."""

import logging
import random

from models.database import Database
from models.push.addresses import kind_of
from models.push.claims import Claim
from models.push.endpoints import DeadEndpoint, prune_endpoints
from workers.push.providers.pushes import ProviderAnswer, PushOutcome

logger = logging.getLogger("parley.push")

# Another process is at the same view.
BUSY_S = 2.0
# After a push has failed alone, while others of its provider go through: doubled each time, at most
# so long; by chance down to half of it. No longer than all may wait once a provider is well again.
FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 15.0
# Some four hours.
MOST_FAILURES = 1000
# What strangers have named, and gives no answer for so long, is tried no more.
GIVEN_UP_S = 8 * 3600.0
# A digest is in no hurry: some eight hours.
LONGEST_DIGEST_RETRY_S = 600.0
MOST_DIGEST_FAILURES = 60


def can_retry(claim: Claim, answer: ProviderAnswer) -> bool:
    """Whether to try it again: not where that would not help, or has not for hours."""
    return answer.outcome is PushOutcome.RETRY and claim.failures < MOST_FAILURES


def retry_after_s(failures: int, longest_s: float = LONGEST_RETRY_S) -> float:
    """Spread out, so that those whose provider failed do not all come back at once."""
    longest = min(longest_s, FIRST_RETRY_S * float(2 ** min(failures, 20)))
    return longest * random.uniform(0.5, 1.0)


def find_digest_retry_s(claim: Claim, answer: ProviderAnswer) -> float | None:
    """When to try a digest again; None where that would not help, or has not for hours."""
    if answer.outcome is not PushOutcome.RETRY or claim.failures >= MOST_DIGEST_FAILURES:
        return None
    after_s = retry_after_s(claim.failures, LONGEST_DIGEST_RETRY_S)
    return max(after_s, answer.retry_after_s or 0.0)


async def forget_endpoint(database: Database, claim: Claim, answer: ProviderAnswer) -> None:
    """The provider knows it no more."""
    assert claim.address is not None
    kind = kind_of(claim.address).value
    logger.info("An endpoint is gone", extra={"kind": kind, "said": answer.said})
    key = claim.key
    await prune_endpoints(database, [DeadEndpoint(key.user_id, key.device_id, claim.address)])
