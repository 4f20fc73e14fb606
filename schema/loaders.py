"""Loaders: what many fields of one operation ask for one by one, read at once. Made anew for each
operation.
"""

from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from strawberry.dataloader import DataLoader

from models.channels.channels import Channel, list_channels
from models.channels.members import Member, list_members, page_members
from models.channels.viewer_states import count_unread
from models.devices.devices import Device, find_devices
from models.devices.viewer import Viewer
from models.groups.invites import Invite, list_invites
from models.media.media import Media, list_media
from models.media.uses import list_visible
from models.messages.fates import NO_FATE, Fate, list_fates
from models.messages.messages import Message, show_to
from models.messages.reading import list_last_messages, list_messages
from models.messages.receipts import Receipt, page_receipts
from models.messages.timeline import Around, Extent, TimelinePage, page_timelines
from models.postgresql.database import Database
from models.users.phone_numbers import list_known_numbers
from models.users.presence import Presence
from models.users.relations import list_blocked
from models.users.users import User, list_users
from schema.live import Live

Key = TypeVar("Key")
Value = TypeVar("Value")
Load: TypeAlias = Callable[[Any, list[Key]], Awaitable[list[Value]]]

# Of one statement; a page holds at most 100 of anything.
MAX_BATCH = 500


class _Loader(Generic[Key, Value]):
    """A loader that is made for an operation when a field first asks for it: most operations need
    two or three.
    """

    def __init__(self, load: Load[Key, Value], cache_key: Callable[[Key], Hashable] | None) -> None:
        self._load = load
        self._cache_key = cache_key

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, loaders: "Loaders", _: type) -> DataLoader[Key, Value]:
        made: DataLoader[Key, Value] = DataLoader(
            partial(self._load, loaders), max_batch_size=MAX_BATCH, cache_key_fn=self._cache_key
        )
        # Found there from now on.
        loaders.__dict__[self._name] = made
        return made


def loader(load: Load[Key, Value]) -> _Loader[Key, Value]:
    """Turn a method that reads the values of many keys into a loader."""
    return _Loader(load, None)


def loader_by(
    cache_key: Callable[[Key], Hashable],
) -> Callable[[Load[Key, Value]], _Loader[Key, Value]]:
    """As `loader` does, where keys are equal that have the same `cache_key`."""
    return lambda load: _Loader(load, cache_key)


def _by_channel_and_part(asked: tuple[Channel, Extent | Around]) -> Hashable:
    return asked[0].id, asked[1]


class Loaders:
    """Each method that is a loader is given keys and returns their values, in the same order."""

    def __init__(
        self, database: Database, live: Live, viewer: Viewer | None, *, unread_most: int
    ) -> None:
        self._database = database
        self._live = live
        self._viewer = viewer
        self._unread_most = unread_most

    @loader
    async def users(self, user_ids: list[str]) -> list[User | None]:
        """Return users by inner id; None for who does not exist."""
        own = () if self._viewer is None else (self._viewer.user.id,)
        users_by_id = await list_users(self._database, user_ids, unkept=own)
        return [users_by_id.get(user_id) for user_id in user_ids]

    @loader
    async def phone_numbers(self, user_ids: list[str]) -> list[str | None]:
        """Return numbers by the user's inner id; None for one that the viewer does not know."""
        if self._viewer is None:
            return [None] * len(user_ids)
        numbers = await list_known_numbers(self._database, self._viewer.user.id, user_ids)
        return [numbers.get(user_id) for user_id in user_ids]

    @loader
    async def blocked(self, user_ids: list[str]) -> list[bool]:
        """Return by the user's inner id whether the viewer has blocked them."""
        if self._viewer is None:
            return [False] * len(user_ids)
        blocked = await list_blocked(self._database, self._viewer.user.id, user_ids)
        return [user_id in blocked for user_id in user_ids]

    @loader
    async def presences(self, user_ids: list[str]) -> list[Presence | None]:
        """Return by the user's inner id; None for who is hidden from the viewer."""
        if self._viewer is None:
            return [None] * len(user_ids)
        found = await self._live.list_presences(self._viewer_id, user_ids)
        return [found.get(user_id) for user_id in user_ids]

    @property
    def _viewer_id(self) -> str:
        assert self._viewer is not None
        return self._viewer.user.id

    @loader
    async def channels(self, channel_ids: list[str]) -> list[Channel | None]:
        """Return channels by id; None for one that the viewer is not in."""
        found = await list_channels(self._database, self._viewer_id, channel_ids)
        return [found.get(channel_id) for channel_id in channel_ids]

    @loader
    async def last_messages(self, channel_ids: list[str]) -> list[Message | None]:
        """Return the newest by channel id; None where the viewer sees none."""
        found = await list_last_messages(self._database, self._viewer_id, channel_ids)
        for message in found.values():
            show_to(message, self._viewer_id)
        return [found.get(channel_id) for channel_id in channel_ids]

    @loader
    async def unread_counts(self, channel_ids: list[str]) -> list[int]:
        """Return counts by channel id."""
        found = await count_unread(
            self._database, self._viewer_id, channel_ids, most=self._unread_most
        )
        return [found.get(channel_id, 0) for channel_id in channel_ids]

    @loader
    async def invites(self, channel_ids: list[str]) -> list[list[Invite] | None]:
        """Return those in force by channel id; None where the viewer is no owner or admin."""
        found = await list_invites(self._database, self._viewer_id, channel_ids)
        return [found.get(channel_id) for channel_id in channel_ids]

    @loader
    async def messages(self, places: list[tuple[str, int]]) -> list[Message | None]:
        """Return messages by channel id and seq; None for what the viewer may not see."""
        found = await list_messages(self._database, self._viewer_id, places)
        return [
            show_to(found[place], self._viewer_id) if place in found else None for place in places
        ]

    @loader_by(_by_channel_and_part)
    async def timelines(self, asked: list[tuple[Channel, Extent | Around]]) -> list[TimelinePage]:
        """Return pages by channel and part. Channels of one part are read at once; mostly all are
        of one.
        """
        pages: dict[tuple[str, Extent | Around], TimelinePage] = {}
        for part in {part for _, part in asked}:
            channels = [channel for channel, other in asked if other == part]
            found = await page_timelines(self._database, channels, part)
            pages |= {(channel_id, part): page for channel_id, page in found.items()}
        return [pages[channel.id, part] for channel, part in asked]

    @loader
    async def members(
        self, asked: list[tuple[str, int, str | None]]
    ) -> list[tuple[list[Member], bool]]:
        """Return pages by channel, how many, and the user after whom the page begins. Channels of
        one shape of page are read at once; mostly all are of one.
        """
        pages: dict[tuple[str, int, str | None], tuple[list[Member], bool]] = {}
        for first, after in {(first, after) for _, first, after in asked}:
            channel_ids = [each[0] for each in asked if each[1:] == (first, after)]
            found = await page_members(
                self._database, self._viewer_id, channel_ids, first=first, after_user_id=after
            )
            pages |= {(channel_id, first, after): page for channel_id, page in found.items()}
        return [pages[each] for each in asked]

    @loader
    async def member(self, places: list[tuple[str, str]]) -> list[Member | None]:
        """Return by channel and user; None for who is no member, and where the viewer is none."""
        found = await list_members(self._database, self._viewer_id, places)
        return [found.get(place) for place in places]

    @loader
    async def visible_media(self, media_ids: list[str]) -> list[Media | None]:
        """Return files by inner id; None for what the viewer may not see."""
        found = await list_visible(self._database, self._viewer_id, media_ids)
        return [found.get(media_id) for media_id in media_ids]

    @loader
    async def devices(self, device_ids: list[str]) -> list[Device | None]:
        """Return devices by inner id; None for one that is not the viewer's."""
        assert self._viewer is not None
        found = await find_devices(self._database, self._viewer, device_ids)
        return [found.get(device_id) for device_id in device_ids]

    @loader
    async def media(self, media_ids: list[str]) -> list[Media | None]:
        """Return files by inner id, whoever may see them: for messages that the viewer sees."""
        found = await list_media(self._database, media_ids)
        return [found.get(media_id) for media_id in media_ids]

    @loader
    async def fates(self, places: list[tuple[str, int]]) -> list[Fate]:
        """Return by channel id and seq how the viewer's own messages fared."""
        found = await list_fates(self._database, self._viewer_id, places)
        return [found.get(place, NO_FATE) for place in places]

    @loader
    async def receipts(
        self, asked: list[tuple[str, int, int, str | None]]
    ) -> list[tuple[list[Receipt], bool]]:
        """Return pages by channel id and seq, how many, and the user after whom the page begins.
        Messages of one shape of page are read at once; mostly all are of one.
        """
        pages: dict[tuple[str, int, int, str | None], tuple[list[Receipt], bool]] = {}
        for first, after in {(first, after) for _, _, first, after in asked}:
            places = [(each[0], each[1]) for each in asked if each[2:] == (first, after)]
            found = await page_receipts(
                self._database, self._viewer_id, places, first=first, after_user_id=after
            )
            pages |= {(*place, first, after): page for place, page in found.items()}
        return [pages.get(each, ([], False)) for each in asked]
