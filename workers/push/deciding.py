"""Decide what a device's screen should show, by what is unread now. No other place decides whether
a push is sent.

A push is a view of unread state. Nothing is shown that was read, deleted, that the device has by
itself, or that its reader has no part in; what is shown and should not be is taken back. While its
user does something at another device, a device is left in peace.
"""

from datetime import datetime, timedelta

import msgspec

from models.push.claims import Claim
from models.push.facts import Facts, Unread
from models.push.settings import quiet_until


class Show(msgspec.Struct, frozen=True):
    """Show this message, in place of what is shown of the channel. `again`: its reader was told of
    it before, and it changes what is on the screen without a sound: it was edited, or a newer one
    that stood there is gone.
    """

    message: Unread
    again: bool = False


class TakeBack(msgspec.Struct, frozen=True):
    """Take back what is shown; and look again at a time, if there is one."""

    again_at: datetime | None = None


class Wait(msgspec.Struct, frozen=True):
    """Look again at a time: quiet hours end then, or its user has been elsewhere until now."""

    until: datetime


class Nothing(msgspec.Struct, frozen=True):
    """Do nothing: the screen shows what it should."""


Verdict = Show | TakeBack | Wait | Nothing


def decide(
    claim: Claim,
    facts: Facts | None,
    now: datetime,
    *,
    elsewhere_until: datetime | None = None,
    counts_elsewhere: bool = False,
) -> Verdict:
    """Return what to do with the claimed view.

    `facts` is None for a user who has left the channel. Until `elsewhere_until` the user counts as
    active at another device. `counts_elsewhere`: a message that any of the user's devices has
    counts as received.
    """
    if claim.address is None:
        return Nothing()
    if facts is None or facts.blocked:
        return TakeBack() if claim.shown_seq else Nothing()
    there_seq = max(claim.device_seq, facts.delivered_seq if counts_elsewhere else 0)
    show = _find_show(claim, facts, there_seq)
    until = _find_wait(claim, show, now, elsewhere_until) if show else None
    if show is not None and until is None:
        return show
    if claim.shown_seq and not facts.shown_stands:
        return TakeBack(until)
    return Wait(until) if until else Nothing()


def _find_wait(
    claim: Claim, show: Show, now: datetime, elsewhere_until: datetime | None
) -> datetime | None:
    """Return until when to wait, or None. A change without a sound waits for quiet hours only."""
    ends = [
        quiet_until(claim.settings.quiet_hours, now),
        None if show.again else elsewhere_until,
    ]
    return max((end for end in ends if end is not None), default=None)


def _find_show(claim: Claim, facts: Facts, there_seq: int) -> Show | None:
    """Return the newest message that may be shown; None if the screen shows it as it is now."""
    message = facts.newest
    if facts.muted:
        message = facts.mention if claim.settings.mentions_when_muted else None
    if message is None:
        return None
    if message.seq == claim.shown_seq:
        edited = message.edited_at is not None and message.edited_at != claim.shown_edited_at
        return Show(message, again=True) if edited else None
    if message.seq < claim.shown_seq:
        # What is shown hides this one; once that is gone, this is the newest.
        return None if facts.shown_stands else Show(message, again=True)
    return Show(message) if message.seq > there_seq else None


def seconds_until(at: datetime, now: datetime) -> float:
    """Return the seconds from `now` until `at`, at least one."""
    return max(1.0, (at - now) / timedelta(seconds=1))
