"""The types of providers: the push that is sent, and the answer of the provider.

Neither shows its address or its text in a `repr`: they must not reach a log.
"""

import enum
from bisect import bisect_right
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol, runtime_checkable

import msgspec

from models.push.addresses import PushAddress, PushEndpointKind
from workers.push.cutting import cut_to_bytes

MAX_RETRY_AFTER_S = 86_400.0
# Of a server that anybody may have named.
MAX_STRANGERS_RETRY_AFTER_S = 3600.0


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """What one device shows of one channel; the next of the same `thread` replaces it.

    `id` is a UUID, the same when it is sent again. `title` and `body` are cut and free of control
    characters already. A `silent` one shows nothing: it takes back what `thread` shows, and
    corrects the badge.
    """

    id: str
    channel_id: str
    thread: str
    badge: int
    ttl_s: int
    message_id: str | None = None
    title: str | None = None
    body: str | None = None
    silent: bool = False
    # Shown without a sound: it only corrects what is on the screen.
    quiet: bool = False
    # The message's (TEXT, IMAGE …), for an app that shows words of its own; None where the device
    # is not to show what was said.
    kind: str | None = None
    # When the message it shows was sent.
    sent_at: datetime | None = None
    # Of e-mail: where to be left in peace, https: or mailto:.
    unsubscribe_url: str | None = None

    def __repr__(self) -> str:
        return f"Push(id={self.id!r}, silent={self.silent})"


class PushOutcome(enum.Enum):
    DELIVERED = "DELIVERED"  # the provider has it
    GONE = "GONE"  # the endpoint is dead: it is to be pruned at once
    RETRY = "RETRY"  # later, not before `retry_after_s`
    REJECTED = "REJECTED"  # sending it again would not help: it is set aside with what was said


class Blames(enum.Enum):
    """Whom a RETRY concerns besides the push that it answers."""

    UNSURE = "UNSURE"  # there was no answer, or a broken one: everybody, if it goes on
    PROVIDER = "PROVIDER"  # the provider wants to be left alone by everybody
    ENDPOINT = "ENDPOINT"  # the provider is well, and wants this endpoint to be left alone
    NOBODY = "NOBODY"  # it was not asked: too many others are at it


class ProviderAnswer(msgspec.Struct, frozen=True):
    """`said` is the provider's short reason: codes, never an address, a token or a text."""

    outcome: PushOutcome
    retry_after_s: float | None = None
    said: str | None = None
    blames: Blames = Blames.UNSURE


DELIVERED = ProviderAnswer(PushOutcome.DELIVERED)


class Provider(Protocol):
    """Sends to endpoints of its kind, at most `concurrency` at once. `send` answers within its
    deadline, and raises nothing: what goes wrong is an `ProviderAnswer`.
    """

    @property
    def kind(self) -> PushEndpointKind: ...
    @property
    def concurrency(self) -> int: ...
    async def send(self, address: PushAddress, push: Push) -> ProviderAnswer: ...
    async def close(self) -> None: ...


@runtime_checkable
class ShowingProvider(Provider, Protocol):
    """One whose pushes can be replaced and taken back. Endpoints of one `gate` are of the same
    project, host or origin: what that says about later holds for all of them.
    """

    def gate(self, address: PushAddress) -> str: ...


def find_fields(push: Push) -> dict[str, str]:
    """Return what the app is given with each push, to open the right message or to clear the right
    channel; all strings, as FCM demands.
    """
    fields = {
        "action": "clear" if push.silent else "show",
        "push": push.id,
        "channel": push.channel_id,
        "thread": push.thread,
        "badge": str(push.badge),
    }
    if push.quiet:
        fields["quiet"] = "true"
    if push.message_id is not None:
        fields["message"] = push.message_id
    if push.kind is not None:
        fields["kind"] = push.kind
    if push.sent_at is not None:
        fields["sentAt"] = push.sent_at.astimezone(UTC).isoformat(timespec="milliseconds")
    return fields


def fit(push: Push, over: int) -> Push:
    """Return the push with as much less text as takes `over` bytes off its JSON: of the body
    first, then of the title.
    """
    body, over = _cut(push.body or "", over)
    title, _ = _cut(push.title or "", over)
    return msgspec.structs.replace(push, title=title, body=body)


def _cut(text: str, over: int) -> tuple[str, int]:
    """Return the text, and how much of `over` is left to cut elsewhere."""
    if over <= 0:
        return text, 0
    length = _json_bytes(text)
    sizes = range(len(text.encode("utf-8", "replace")))
    room = bisect_right(
        sizes, length - over, key=lambda size: _json_bytes(cut_to_bytes(text, size))
    )
    kept = cut_to_bytes(text, max(0, room - 1))
    return kept, over - (length - _json_bytes(kept))


def _json_bytes(text: str) -> int:
    return len(msgspec.json.encode(text))


def find_retry_after_s(
    value: str, now: datetime, *, most_s: float = MAX_RETRY_AFTER_S
) -> float | None:
    """Return what a Retry-After header says, in seconds from now: it gives seconds or an HTTP date.
    None if there is none that makes sense.
    """
    text = value.strip()
    try:
        seconds = float(text) if text.isdigit() else _seconds_until(text, now)
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), most_s)


def _seconds_until(date: str, now: datetime) -> float:
    at = parsedate_to_datetime(date)
    return (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
