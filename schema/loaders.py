"""Loaders: what many fields of one operation ask for one by one, read at once. Made anew for each
operation.
"""

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

# Of one statement; a page holds at most 100 of anything.
MAX_BATCH = 500


class Loaders:
    def __init__(
        self, database: Database, live: Live, viewer: Viewer | None, *, unread_most: int
    ) -> None:
        self._database = database
        self._live = live
        self._viewer = viewer
        self._unread_most = unread_most
        # By inner id; None for who does not exist.
        self.users: DataLoader[str, User | None] = DataLoader(
            self._load_users, max_batch_size=MAX_BATCH
        )
        # By the user's inner id; None for a number that the viewer does not know.
        self.phone_numbers: DataLoader[str, str | None] = DataLoader(
            self._load_phone_numbers, max_batch_size=MAX_BATCH
        )
        # By the user's inner id: whether the viewer has blocked them.
        self.blocked: DataLoader[str, bool] = DataLoader(
            self._load_blocked, max_batch_size=MAX_BATCH
        )
        # By the user's inner id; None for who is hidden from the viewer.
        self.presences: DataLoader[str, Presence | None] = DataLoader(
            self._load_presences, max_batch_size=MAX_BATCH
        )
        # By channel id; None for one that the viewer is not in.
        self.channels: DataLoader[str, Channel | None] = DataLoader(
            self._load_channels, max_batch_size=MAX_BATCH
        )
        self.last_messages: DataLoader[str, Message | None] = DataLoader(
            self._load_last_messages, max_batch_size=MAX_BATCH
        )
        self.unread_counts: DataLoader[str, int] = DataLoader(
            self._load_unread_counts, max_batch_size=MAX_BATCH
        )
        # By channel id; those in force. None where the viewer is no owner or admin.
        self.invites: DataLoader[str, list[Invite] | None] = DataLoader(
            self._load_invites, max_batch_size=MAX_BATCH
        )
        # By channel id and seq; None for what the viewer may not see.
        self.messages: DataLoader[tuple[str, int], Message | None] = DataLoader(
            self._load_messages, max_batch_size=MAX_BATCH
        )
        # By channel and part: pages of messages, and of members (how many, after which user).
        self.timelines: DataLoader[tuple[Channel, Extent | Around], TimelinePage] = DataLoader(
            self._load_timelines,
            max_batch_size=MAX_BATCH,
            cache_key_fn=lambda key: (key[0].id, key[1]),
        )
        self.members: DataLoader[tuple[str, int, str | None], tuple[list[Member], bool]] = (
            DataLoader(self._load_members, max_batch_size=MAX_BATCH)
        )
        # By channel and user; None for who is no member, and where the viewer is none.
        self.member: DataLoader[tuple[str, str], Member | None] = DataLoader(
            self._load_member, max_batch_size=MAX_BATCH
        )
        # By inner id; None for what the viewer may not see.
        self.visible_media: DataLoader[str, Media | None] = DataLoader(
            self._load_visible_media, max_batch_size=MAX_BATCH
        )
        self.devices: DataLoader[str, Device | None] = DataLoader(
            self._load_devices, max_batch_size=MAX_BATCH
        )
        # By inner id, whoever may see it: for messages that the viewer can see.
        self.media: DataLoader[str, Media | None] = DataLoader(
            self._load_media, max_batch_size=MAX_BATCH
        )
        # By channel id and seq, of the viewer's own messages.
        self.fates: DataLoader[tuple[str, int], Fate] = DataLoader(
            self._load_fates, max_batch_size=MAX_BATCH
        )
        # By channel id and seq, how many, and the user after whom the page begins.
        self.receipts: DataLoader[tuple[str, int, int, str | None], tuple[list[Receipt], bool]] = (
            DataLoader(self._load_receipts, max_batch_size=MAX_BATCH)
        )

    async def _load_users(self, user_ids: list[str]) -> list[User | None]:
        own = () if self._viewer is None else (self._viewer.user.id,)
        users_by_id = await list_users(self._database, user_ids, unkept=own)
        return [users_by_id.get(user_id) for user_id in user_ids]

    async def _load_phone_numbers(self, user_ids: list[str]) -> list[str | None]:
        if self._viewer is None:
            return [None] * len(user_ids)
        numbers = await list_known_numbers(self._database, self._viewer.user.id, user_ids)
        return [numbers.get(user_id) for user_id in user_ids]

    async def _load_blocked(self, user_ids: list[str]) -> list[bool]:
        if self._viewer is None:
            return [False] * len(user_ids)
        blocked = await list_blocked(self._database, self._viewer.user.id, user_ids)
        return [user_id in blocked for user_id in user_ids]

    async def _load_presences(self, user_ids: list[str]) -> list[Presence | None]:
        if self._viewer is None:
            return [None] * len(user_ids)
        found = await self._live.list_presences(self._viewer_id, user_ids)
        return [found.get(user_id) for user_id in user_ids]

    @property
    def _viewer_id(self) -> str:
        assert self._viewer is not None
        return self._viewer.user.id

    async def _load_channels(self, channel_ids: list[str]) -> list[Channel | None]:
        found = await list_channels(self._database, self._viewer_id, channel_ids)
        return [found.get(channel_id) for channel_id in channel_ids]

    async def _load_last_messages(self, channel_ids: list[str]) -> list[Message | None]:
        found = await list_last_messages(self._database, self._viewer_id, channel_ids)
        for message in found.values():
            show_to(message, self._viewer_id)
        return [found.get(channel_id) for channel_id in channel_ids]

    async def _load_unread_counts(self, channel_ids: list[str]) -> list[int]:
        found = await count_unread(
            self._database, self._viewer_id, channel_ids, most=self._unread_most
        )
        return [found.get(channel_id, 0) for channel_id in channel_ids]

    async def _load_invites(self, channel_ids: list[str]) -> list[list[Invite] | None]:
        found = await list_invites(self._database, self._viewer_id, channel_ids)
        return [found.get(channel_id) for channel_id in channel_ids]

    async def _load_messages(self, places: list[tuple[str, int]]) -> list[Message | None]:
        found = await list_messages(self._database, self._viewer_id, places)
        return [
            show_to(found[place], self._viewer_id) if place in found else None for place in places
        ]

    async def _load_timelines(
        self, asked: list[tuple[Channel, Extent | Around]]
    ) -> list[TimelinePage]:
        """Read the channels of each part of a timeline at once: mostly one part for all."""
        pages: dict[tuple[str, Extent | Around], TimelinePage] = {}
        for part in {part for _, part in asked}:
            channels = [channel for channel, other in asked if other == part]
            found = await page_timelines(self._database, channels, part)
            pages |= {(channel_id, part): page for channel_id, page in found.items()}
        return [pages[channel.id, part] for channel, part in asked]

    async def _load_members(
        self, asked: list[tuple[str, int, str | None]]
    ) -> list[tuple[list[Member], bool]]:
        """Read the channels of each shape of page at once: mostly one shape for all."""
        pages: dict[tuple[str, int, str | None], tuple[list[Member], bool]] = {}
        for first, after in {(first, after) for _, first, after in asked}:
            channel_ids = [each[0] for each in asked if each[1:] == (first, after)]
            found = await page_members(
                self._database, self._viewer_id, channel_ids, first=first, after_user_id=after
            )
            pages |= {(channel_id, first, after): page for channel_id, page in found.items()}
        return [pages[each] for each in asked]

    async def _load_member(self, places: list[tuple[str, str]]) -> list[Member | None]:
        found = await list_members(self._database, self._viewer_id, places)
        return [found.get(place) for place in places]

    async def _load_visible_media(self, media_ids: list[str]) -> list[Media | None]:
        found = await list_visible(self._database, self._viewer_id, media_ids)
        return [found.get(media_id) for media_id in media_ids]

    async def _load_devices(self, device_ids: list[str]) -> list[Device | None]:
        assert self._viewer is not None
        found = await find_devices(self._database, self._viewer, device_ids)
        return [found.get(device_id) for device_id in device_ids]

    async def _load_media(self, media_ids: list[str]) -> list[Media | None]:
        found = await list_media(self._database, media_ids)
        return [found.get(media_id) for media_id in media_ids]

    async def _load_fates(self, places: list[tuple[str, int]]) -> list[Fate]:
        found = await list_fates(self._database, self._viewer_id, places)
        return [found.get(place, NO_FATE) for place in places]

    async def _load_receipts(
        self, asked: list[tuple[str, int, int, str | None]]
    ) -> list[tuple[list[Receipt], bool]]:
        """One look-up for each shape of page: mostly one for all messages of the operation."""
        pages: dict[tuple[str, int, int, str | None], tuple[list[Receipt], bool]] = {}
        for first, after in {(first, after) for _, _, first, after in asked}:
            places = [(each[0], each[1]) for each in asked if each[2:] == (first, after)]
            found = await page_receipts(
                self._database, self._viewer_id, places, first=first, after_user_id=after
            )
            pages |= {(*place, first, after): page for place, page in found.items()}
        return [pages.get(each, ([], False)) for each in asked]
