"""The context: what one operation (on a socket: one operation, one event) may reach. Made anew for
each, so nothing goes stale in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.devices.sessions import Sessions
from models.devices.sms import SmsSender
from models.devices.viewer import Viewer
from models.limits.buckets import Takes
from models.limits.budgets import address_key
from models.limits.limits import Limits
from models.log.committer import Committer
from models.log.entries import Batch
from models.media.uploads import Uploads
from models.media.urls import MediaUrls
from models.postgresql.database import Database
from models.push.addresses import PushRules
from models.refusals import RefusalCode, Refused
from models.tokens import Tokens
from models.users.sms_numbers import SmsRules
from schema.event_loads import EventLoads
from schema.live import Live
from schema.loaders import Loaders


@dataclass(slots=True, kw_only=True)
class Resources:
    """What a process opens once and every operation shares."""

    database: Database
    committer: Committer
    # Told of each batch of log entries after its commit.
    publish: Callable[[Batch], None]
    live: Live
    # Objects of live events, read for all recipients at once.
    event_loads: EventLoads
    tokens: Tokens
    sessions: Sessions
    sms: SmsSender
    sms_rules: SmsRules
    push: PushRules
    uploads: Uploads
    media_urls: MediaUrls
    # Told of each user and device where somebody does something.
    note_active: Callable[[str, str], None]
    # Told of (user, channel) where a push that is shown may have to go.
    update_pushes: Callable[[Sequence[tuple[str, str]]], None]
    # How often one user or address may do what.
    buckets: Takes
    limits: Limits
    development: bool


@dataclass(slots=True, kw_only=True)
class Context:
    resources: Resources
    viewer: Viewer | None
    client_address: str
    # Something was refused because a bucket was empty: who asks is to be heard more slowly.
    refused: bool = field(default=False, init=False)
    _loaders: Loaders | None = field(default=None, init=False)

    @property
    def loaders(self) -> Loaders:
        """Made when first asked for: most events need none."""
        if self._loaders is None:
            self._loaders = Loaders(
                self.resources.database,
                self.resources.live,
                self.viewer,
                unread_most=self.resources.limits.unread_count,
            )
        return self._loaders

    def forget_loaded(self) -> None:
        """After a mutation has changed what loaders may hold."""
        self._loaders = None

    def spend(self, budget: str, amount: int = 1) -> None:
        """Take from the bucket of a budget, a field of `Limits`: the viewer's own, or where the
        name ends so, that of their address. Never waits.

        Raises:
            Refused: RATE_LIMITED; SESSION_REVOKED where it is a viewer's and there is none.
        """
        try:
            self.resources.buckets.take(budget, self._owner_of(budget), amount)
        except Refused:
            self.refused = True
            raise

    def owe(self, budget: str, amount: int) -> None:
        """Take from the bucket of a budget what has been used already, also where it is too little.

        Raises:
            Refused: SESSION_REVOKED where it is a viewer's and there is none.
        """
        self.resources.buckets.owe(budget, self._owner_of(budget), amount)

    def _owner_of(self, budget: str) -> str:
        if budget.endswith("_per_address"):
            return address_key(self.client_address)
        return (self.viewer or self.require_viewer()).user.id

    def note_active(self) -> None:
        """Note that the viewer does something at this device, and not only their app."""
        if self.viewer is not None:
            self.resources.note_active(self.viewer.user.id, self.viewer.device_id)

    def require_viewer(self) -> Viewer:
        """Return the viewer. Operations that need one are refused before they start; this is the
        second lock.
        """
        if self.viewer is None:
            raise Refused(RefusalCode.SESSION_REVOKED, "Sign in first.")
        return self.viewer


def is_in_list(info: Any) -> bool:
    """Return whether the object whose field is asked for is in a list: then others of the list ask
    for the same, and are read with it.
    """
    path = info.path
    while path is not None:
        if isinstance(path.key, int):
            return True
        path = path.prev
    return False


def context_of(info: Any) -> Context:
    context = info.context
    assert isinstance(context, Context)
    return context
