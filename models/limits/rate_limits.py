"""Budgets: how much of each kind a user, an address or everybody may do in a period of time.

Each is a setting, `PARLEY_SENDS_PER_USER=600/60`, and a field of `Limits`
(models/limits/limits.py).
"""

from dataclasses import dataclass
from typing import TypeVar

from models.limits.variables import fraction, variable, whole

Number = TypeVar("Number", int, float)
MOST = 2**53
MOST_WINDOW_S = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """At most `amount` units in any window of `window_s` seconds. A token bucket holds `amount`
    tokens; used ones come back evenly, all of them within `window_s`.
    """

    amount: int
    window_s: int

    def __str__(self) -> str:
        return f"{self.amount}/{self.window_s}"


def limit(default: Number, meaning: str, *, development: Number | None = None) -> Number:
    """Declare a number that can be set, with the default of development where it is another."""
    read = whole(0, MOST) if isinstance(default, int) else fraction(0, MOST)
    return variable(
        default,
        read,
        meaning,
        unset=lambda is_development: (
            development if is_development and development is not None else default
        ),
        raised=development is not None,
    )


def budget(default: str, meaning: str, *, development: str | None = None) -> Budget:
    """Declare a budget that can be set, as `count/seconds`."""
    production = _read_budget(default, 0)

    return variable(
        production,
        lambda text: _read_budget(text, production.window_s),
        meaning,
        unset=lambda is_development: (
            _read_budget(development, 0) if is_development and development else production
        ),
        raised=development is not None,
    )


def _read_budget(text: str, window_s: int) -> Budget:
    """Read `count/seconds`, or a count alone: the seconds are then `window_s`."""
    amount, _, seconds = text.partition("/")
    return Budget(
        amount=whole(0, MOST)(amount), window_s=whole(1, MOST_WINDOW_S)(seconds or str(window_s))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """The budgets. The defaults are those of production."""

    # Counted in PostgreSQL, in a sliding window (models/limits/budgets.py)
    uploads_per_user: Budget = budget("2000/86400", "uploads of a user")
    upload_megabytes_per_user: Budget = budget("20000/86400", "megabytes that a user uploads")
    push_mail_codes_per_user: Budget = budget("5/86400", "codes mailed for a user")
    push_mail_codes_per_address: Budget = budget(
        "3/86400", "codes mailed to an address, for all users"
    )
    # Those marked ‡ are counted in two shares, each of this size: for networks from which the
    # number's owner was let in before, and for all others.
    codes_per_number_and_address: Budget = budget(
        "5/3600", "codes for a number from one address", development="10000/3600"
    )
    codes_per_number: Budget = budget(
        "6/3600", "codes for a phone number ‡", development="10000/3600"
    )
    codes_per_number_daily: Budget = budget(
        "12/86400", "codes for a phone number in a day ‡", development="100000/86400"
    )
    codes_per_prefix: Budget = budget(
        "100/3600",
        "codes for numbers alike but for the last four digits ‡",
        development="100000/3600",
    )
    codes_per_address: Budget = budget(
        "10/3600", "codes asked for by an address ‡", development="100000/3600"
    )
    codes_per_network: Budget = budget(
        "50/3600", "codes asked for by a /24 of IPv4 or a /48 of IPv6 ‡", development="100000/3600"
    )
    codes_per_country: Budget = budget(
        "30/60",
        "codes for the numbers of a country ‡; keep it well below `PARLEY_CODES_OVERALL`",
        development="1000000/60",
    )
    codes_overall: Budget = budget("150/60", "codes in all ‡", development="1000000/60")
    sign_ins_per_address: Budget = budget(
        "60/3600", "sign-ins tried by an address with no code in force", development="100000/3600"
    )
    reports_per_user: Budget = budget("50/86400", "reports of a user")
    contact_numbers_per_user: Budget = budget("5000/86400", "numbers that a user may look up")
    contact_numbers_per_address: Budget = budget(
        "20000/86400", "numbers looked up from an address", development="10000000/3600"
    )
    contact_numbers_overall: Budget = budget(
        "2000000/3600", "numbers looked up in all", development="100000000/3600"
    )

    refusal_pause_s: float = limit(
        0.1,
        "seconds until a connection is read again after something on it exceeded a budget of "
        "a user or an address",
    )
    # What one user, or one address, does and asks: token buckets (models/limits/buckets.py). A
    # person meets none of them: Sendbird lets one send 5 messages a second, Discord 2, Zulip ask
    # 200 times a minute; a phone that was away for a day sends what it kept, all at once
    sends_per_user: Budget = budget(
        "600/60",
        "messages that a user sends; this budget and those that follow are token buckets, "
        "counted over all processes",
        development="1000000/60",
    )
    message_changes_per_user: Budget = budget(
        "300/60", "edits and deletions of messages", development="1000000/60"
    )
    reactions_per_user: Budget = budget(
        "180/60", "reactions set and taken back", development="1000000/60"
    )
    typing_per_user: Budget = budget("300/60", "calls of `setTyping`", development="1000000/60")
    acknowledgements_per_user: Budget = budget(
        "20000/60", "positions named in calls of `acknowledge`", development="100000000/60"
    )
    chats_opened_per_user: Budget = budget(
        "600/3600", "calls of `openChat`", development="1000000/60"
    )
    groups_created_per_user: Budget = budget("100/3600", "groups made", development="1000000/60")
    groups_joined_per_user: Budget = budget(
        "200/3600", "groups joined by an invite", development="1000000/60"
    )
    members_added_per_user: Budget = budget(
        "3000/3600", "users added to groups, new groups included", development="10000000/60"
    )
    group_changes_per_user: Budget = budget(
        "1000/3600",
        "changes of a group's name, picture, roles, members and invites",
        development="1000000/60",
    )
    setting_changes_per_user: Budget = budget(
        "1000/3600",
        "changes of profile, privacy, blocks, mutes, devices and push, and reports",
        development="1000000/60",
    )
    upload_steps_per_user: Budget = budget(
        "600/60", "uploads begun, completed or looked at", development="1000000/60"
    )
    searches_per_user: Budget = budget("120/60", "searches", development="1000000/60")
    streams_per_user: Budget = budget("600/60", "subscriptions begun", development="1000000/60")
    read_cost_per_user: Budget = budget(
        "300000/60",
        "the summed cost of the documents that a user runs",
        development="1000000000/60",
    )
    read_cost_per_address: Budget = budget(
        "300000/60",
        "the same for all who are not signed in at an address",
        development="1000000000/60",
    )
    # Of websockets, a frame counts as one and one for each KiB; past it a socket is heard ten times
    # a second. Of HTTP, bodies of more than 16 KiB count, before they are looked at
    frames_per_user: Budget = budget(
        "1000/10",
        "frames on a user's sockets, each KiB counting as one more; then a socket is heard "
        "more slowly",
        development="100000000/60",
    )
    frames_per_address: Budget = budget(
        "1000/10", "the same for sockets on which nobody is signed in", development="100000000/60"
    )
    body_kilobytes_per_address: Budget = budget(
        "20000/10", "KiB of requests' bodies, of those above 16 KiB", development="1000000000/60"
    )
    sign_in_steps_per_address: Budget = budget(
        "3000/60",
        "codes asked for, sign-ins and refreshes from an address, whatever comes of them",
        development="10000000/60",
    )
    # Documents that no cache holds, in pieces of 500 characters: reading one takes up to 6 ms of a
    # process. A front end has some hundred documents, and anybody's use of one keeps it.
    new_documents_per_user: Budget = budget(
        "600/60",
        "documents that the process has not kept yet, one for each 500 characters begun",
        development="1000000/60",
    )
    new_documents_per_address: Budget = budget(
        "600/60",
        "the same, from an address of those who are not signed in",
        development="1000000/60",
    )
