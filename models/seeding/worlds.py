"""A seeded world: how many of each are asked for, and the ids and tokens of what was made."""

import msgspec


class WorldPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How many of each. A group has its sender and at least one other member."""

    pairs: int = 64
    group_members: int = 100
    history: int = 100_000
    idle: int = 5000


class PairAccess(msgspec.Struct, frozen=True):
    """A chat with a little said, and the access tokens of its two users."""

    conv: str
    a: str
    b: str


class GroupAccess(msgspec.Struct, frozen=True):
    """The group, the token of one who sends, and the tokens of all members, theirs included."""

    conv: str
    sender: str
    members: list[str]


class MemberAccess(msgspec.Struct, frozen=True):
    """A chat, and the token of one of its users."""

    conv: str
    token: str


class World(msgspec.Struct, frozen=True):
    """Global ids and access tokens of what was made: the file that load generators read."""

    pairs: list[PairAccess]
    group: GroupAccess
    history: MemberAccess
    idle: list[MemberAccess]
