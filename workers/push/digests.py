"""Write digests: one e-mail or SMS about all that a device's user has not read for a while."""

from collections.abc import Mapping

import msgspec

from models import ids
from models.channel_kinds import ChannelKind
from models.channels.viewer_states import count_unread
from models.postgresql.database import Database
from models.push.addresses import PushEndpointKind
from models.push.claims import Claim
from models.push.facts import Facts
from models.push.results import Result
from models.push.settings import PushPreview
from models.push.states import PushKey
from models.users.users import list_users
from workers.push.deciding import Show
from workers.push.planning import SHOW_TTL_S, push_id
from workers.push.providers.mail_texts import unlink
from workers.push.providers.pushes import Push
from workers.push.texts import clean

# Beyond these a digest says how many more there are.
NAMED_CHANNELS = 20


class Digest(msgspec.Struct):
    """All views of a device, and the newest message of those in which there is something to say."""

    claims: list[Claim]
    facts: Mapping[PushKey, Facts]
    shown: dict[PushKey, Show]

    def results(self, *, sent: bool) -> list[Result]:
        """Return the result of each view's job."""
        return [self._result(claim.key, sent) for claim in self.claims]

    def _result(self, key: PushKey, sent: bool) -> Result:
        facts, show = self.facts.get(key), self.shown.get(key)
        return Result(
            key=key,
            seen_seq=facts.last_seq if facts else 0,
            shown_seq=show.message.seq if sent and show else None,
            shown_edited_at=show.message.edited_at if sent and show else None,
        )


async def write_digest(
    database: Database, kind: PushEndpointKind, digest: Digest, *, unread_most: int
) -> Push:
    """Say how much is unread, and where if the preview allows it; an SMS never says where."""
    first = digest.claims[0]
    newest = max(digest.shown, key=lambda key: digest.shown[key].message.sent_at)
    message = digest.shown[newest].message
    counts = await count_unread(
        database, newest.user_id, [key.channel_id for key in digest.shown], most=unread_most
    )
    count = sum(counts.values())
    body = None
    if kind is PushEndpointKind.EMAIL and first.settings.preview is not PushPreview.NOTHING:
        body = await _name_channels(database, digest, counts)
    return Push(
        id=push_id(newest, f"{message.seq} digest"),
        channel_id=ids.channel_global_id(newest.channel_id),
        thread=newest.device_id,
        badge=count,
        ttl_s=SHOW_TTL_S,
        title=f"{count} unread {'message' if count == 1 else 'messages'}",
        body=body,
        sent_at=message.sent_at,
    )


async def _name_channels(database: Database, digest: Digest, counts: Mapping[str, int]) -> str:
    sender_ids = list({show.message.sender_id for show in digest.shown.values()})
    senders = await list_users(database, sender_ids)
    said = []
    for key, show in digest.shown.items():
        facts = digest.facts[key]
        name = facts.group_name
        if facts.channel_kind is ChannelKind.CHAT:
            sender = senders.get(show.message.sender_id)
            name = sender.name if sender else None
        said.append(f"{unlink(clean(name or ''))} ({counts.get(key.channel_id, 0)})")
    more = len(said) - NAMED_CHANNELS
    return ", ".join(said[:NAMED_CHANNELS]) + (f" and {more} more" if more > 0 else "")
