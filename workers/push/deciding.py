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
    """Show this message, in place of what is shown of the channel."""

    message: Unread


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
    message = _find_message(claim, facts)
    quiet_end = quiet_until(claim.settings.quiet_hours, now) if message else None
    if message is not None and quiet_end is None:
        return Show(message)
    if claim.shown_seq and not facts.shown_stands:
        return TakeBack(quiet_end)
    return Wait(quiet_end) if quiet_end else Nothing()


def _find_message(claim: Claim, facts: Facts) -> Unread | None:
    """The message to show: the newest one, if it is not there yet in any way."""
    message = facts.newest
    if facts.muted:
        message = facts.mention if claim.settings.mentions_when_muted else None
    if message is None:
        return None
    if message.seq == claim.shown_seq:
        return message if _is_edited_since(message, claim.shown_at) else None
    there = max(claim.shown_seq, claim.device_seq, facts.delivered_seq)
    return message if message.seq > there else None


def _is_edited_since(message: Unread, shown_at: datetime | None) -> bool:
    return message.edited_at is not None and shown_at is not None and message.edited_at > shown_at


def seconds_until(at: datetime, now: datetime) -> float:
    return max(1.0, (at - now) / timedelta(seconds=1))
