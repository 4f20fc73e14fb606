"""The kinds of channels, by the numbers that the column `channels.kind` holds.

They are on the ground of models, because privacy asks for chats, too, and users know no channels.
"""

from enum import IntEnum


class ChannelKind(IntEnum):
    """What a channel is: a chat of two people, or a group."""

    CHAT = 1
    GROUP = 2
