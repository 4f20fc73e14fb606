"""Refusals that several nouns share: of a channel that is not there, and of a chat with a block."""

from models.refusals import RefusalCode, Refused, not_found


def no_such_channel(field: str | None = "channelId") -> Refused:
    """Return the refusal of a channel that does not exist, or that the viewer is not in: the two
    look the same.
    """
    return not_found("There is no such channel.", field)


def blocked_chat(field: str | None = "channelId") -> Refused:
    """Return the refusal of what one may not do in a chat while either of the two blocks."""
    return Refused(RefusalCode.BLOCKED, "One of the two has blocked the other.", field=field)
