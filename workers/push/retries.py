"""Decide when a push is tried again after an answer, and forget endpoints that are gone."""

import logging
import random

from models.postgresql.database import Database
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
    """Return True if it should be tried again: it may help, and has not failed for hours."""
    return answer.outcome is PushOutcome.RETRY and claim.failures < MOST_FAILURES


def retry_after_s(failures: int, longest_s: float = LONGEST_RETRY_S) -> float:
    """Return the seconds until the next try: doubled each time, and spread by chance."""
    longest = min(longest_s, FIRST_RETRY_S * float(2 ** min(failures, 20)))
    return longest * random.uniform(0.5, 1.0)


def find_digest_retry_s(claim: Claim, answer: ProviderAnswer) -> float | None:
    """Return the seconds until a digest is tried again; None if that would not help."""
    if answer.outcome is not PushOutcome.RETRY or claim.failures >= MOST_DIGEST_FAILURES:
        return None
    after_s = retry_after_s(claim.failures, LONGEST_DIGEST_RETRY_S)
    return max(after_s, answer.retry_after_s or 0.0)


async def forget_endpoint(database: Database, claim: Claim, answer: ProviderAnswer) -> None:
    """Delete the endpoint: its provider does not know it any more."""
    assert claim.address is not None
    kind = kind_of(claim.address).value
    logger.info("An endpoint is gone", extra={"kind": kind, "said": answer.said})
    key = claim.key
    await prune_endpoints(database, [DeadEndpoint(key.user_id, key.device_id, claim.address)])
