"""What is right for a device's screen, by what is unread now: the one place that decides whether a
push is sent.

A push is a view of unread state. Nothing is shown that was read, delivered, deleted, or that its
reader has no part in; what is shown and should not be is taken back.
"""

from datetime import datetime, timedelta

import msgspec

from models.push_plans import Claim, Facts, Unread
from models.push_settings import quiet_until


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
    """Look again at a time: quiet hours end then."""

    until: datetime


class Nothing(msgspec.Struct, frozen=True):
    """All is as it should be."""


Verdict = Show | TakeBack | Wait | Nothing


def decide(claim: Claim, facts: Facts | None, now: datetime) -> Verdict:
    """`facts` is None for one who is not in the channel any more."""
    if claim.address is None:
        return Nothing()
    if facts is None or facts.blocked:
        return TakeBack() if claim.shown_seq else Nothing()
    show = _find_show(claim, facts)
    quiet_end = quiet_until(claim.settings.quiet_hours, now) if show else None
    if show is not None and quiet_end is None:
        return show
    if claim.shown_seq and not facts.shown_stands:
        return TakeBack(quiet_end)
    return Wait(quiet_end) if quiet_end else Nothing()


def _find_show(claim: Claim, facts: Facts) -> Show | None:
    """The newest message that may be shown, if the screen does not have it as it is now."""
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
    there = max(claim.device_seq, facts.delivered_seq)
    return Show(message) if message.seq > there else None


def seconds_until(at: datetime, now: datetime) -> float:
    return max(1.0, (at - now) / timedelta(seconds=1))
