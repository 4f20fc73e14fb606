"""Uses: where media is shown, and therefore who may see it.

A use is a row that is written, after the media was checked, before the message or picture that it
is about. It grants nothing by itself: each time it is looked up whether that message exists, holds
the media and can be read by the viewer. Whoever writes a use locks the row of the media, since
unused media is deleted under that lock (models/media/releases.py).
"""

from collections.abc import Callable, Sequence
from enum import IntEnum

import msgspec

from models.jobs.due import DueJobs
from models.media.media import Media, MediaKind, MediaState, list_media
from models.postgresql.database import Database
from models.postgresql.lanes import fetch_by_id, fetch_lanes
from models.refusals import RefusalCode, Refused, not_found


class HolderKind(IntEnum):
    """What a use's `holder_id` names: the channel of a message, or the user or group that has the
    picture.
    """

    MESSAGE = 1
    USER = 2
    GROUP = 3


class Use(msgspec.Struct, frozen=True):
    """A place where media is shown. `client_message_id` is that of the message; empty for a
    picture.
    """

    holder_kind: HolderKind
    holder_id: str
    user_id: str
    client_message_id: str = ""


# ------------------------------------------------------------------ claiming


async def claim_for_message(
    database: Database,
    sender_id: str,
    channel_id: str,
    client_message_id: str,
    media_ids: Sequence[str],
) -> list[Media]:
    """Claim media for a message that is about to be sent. Return them in the given order. The
    sender may use their own media, and those of messages that they can read.

    Raises:
        Refused: NOT_FOUND, MEDIA_NOT_READY, MEDIA_REJECTED, for the first of them that cannot be
            sent.
    """
    known = await list_media(database, media_ids)
    others = [each.id for each in known.values() if each.owner_id != sender_id]
    readable = await list_held(database, sender_id, others)
    found = {
        each.id: each
        for each in known.values()
        if each.owner_id == sender_id or each.id in readable
    }

    def require(states: dict[str, MediaState]) -> None:
        for place, media_id in enumerate(media_ids):
            _require_usable(states.get(media_id), f"mediaIds.{place}")

    require({each.id: each.state for each in found.values()})
    use = Use(HolderKind.MESSAGE, channel_id, sender_id, client_message_id)
    await _write_use(database, use, media_ids, require)
    return [found[media_id] for media_id in media_ids]


async def claim_picture(
    database: Database,
    viewer_id: str,
    holder_kind: HolderKind,
    holder_id: str,
    media_id: str,
) -> Media:
    """Claim the image that is about to be the picture of a user or group. Return it. Any image that
    the viewer can see may be used.

    Raises:
        Refused: NOT_FOUND, MEDIA_NOT_READY, MEDIA_REJECTED, naming `avatarMediaId`.
    """
    media = (await list_visible(database, viewer_id, [media_id])).get(media_id)
    if media is None:
        raise no_such_media("avatarMediaId")

    def require(states: dict[str, MediaState]) -> None:
        _require_picture(states.get(media_id))

    require({media_id: media.state})
    if media.kind is not MediaKind.IMAGE:
        raise _rejected("A picture is an IMAGE.", "avatarMediaId")
    await _write_use(database, Use(holder_kind, holder_id, viewer_id), [media_id], require)
    return media


async def _write_use(
    database: Database,
    use: Use,
    media_ids: Sequence[str],
    require: Callable[[dict[str, MediaState]], None],
) -> None:
    """Write the use of all these media, after `require` has accepted the states that they have
    under their lock.
    """
    in_order = sorted(set(media_ids))
    async with database.transaction() as connection:
        # One by one, in one round trip.
        rows = await connection.fetchmany(
            "SELECT id, state FROM media WHERE id = $1 FOR UPDATE", [(each,) for each in in_order]
        )
        require({row["id"]: MediaState(row["state"]) for row in rows})
        await connection.executemany(
            "UPDATE media SET used_at = now() WHERE id = $1 AND used_at IS NULL",
            [(each,) for each in in_order],
        )
        holder = (use.holder_kind.value, use.holder_id, use.user_id, use.client_message_id)
        await connection.executemany(
            """
            INSERT INTO media_uses (
                media_id, holder_kind, holder_id, user_id, client_message_id, at
            )
            VALUES ($1, $2, $3, $4, $5, now())
            ON CONFLICT (media_id, holder_kind, holder_id, user_id, client_message_id)
            DO UPDATE SET at = excluded.at
            """,
            [(each, *holder) for each in in_order],
        )


def release_picture(due: DueJobs, replaced_id: str | None, picture: Media | None) -> None:
    """Have a job look whether anything still holds the replaced picture. `due` are the jobs of the
    transaction that replaced it.
    """
    if replaced_id is not None and (picture is None or picture.id != replaced_id):
        due.add("media_release", [{"media_ids": [replaced_id]}])


def _require_usable(state: MediaState | None, field: str) -> None:
    if state is None or state is MediaState.EXPIRED:
        raise no_such_media(field)
    if state is MediaState.AWAITING_UPLOAD:
        raise Refused(
            RefusalCode.MEDIA_NOT_READY, "The file is not uploaded; complete it.", field=field
        )
    if state is MediaState.FAILED:
        raise _rejected("The file cannot be used.", field)


def _require_picture(state: MediaState | None) -> None:
    _require_usable(state, "avatarMediaId")
    if state is not MediaState.READY:
        raise Refused(
            RefusalCode.MEDIA_NOT_READY, "The picture is not ready yet.", field="avatarMediaId"
        )


def no_such_media(field: str) -> Refused:
    return not_found("There is no such media.", field)


def _rejected(reason: str, field: str) -> Refused:
    return Refused(RefusalCode.MEDIA_REJECTED, reason, field=field)


# ------------------------------------------------------------------ seeing


async def list_visible(
    database: Database, viewer_id: str, media_ids: Sequence[str]
) -> dict[str, Media]:
    """Return the media that the viewer may see, by id: the viewer's own, those of messages that
    they can read, pictures of users, and pictures of groups that they are in.
    """
    known = await list_media(database, media_ids)
    others = [each.id for each in known.values() if each.owner_id != viewer_id]
    visible = await list_held(database, viewer_id, others)
    hidden = [media_id for media_id in others if media_id not in visible]
    visible |= await _list_pictures(database, viewer_id, hidden)
    return {
        each.id: each for each in known.values() if each.owner_id == viewer_id or each.id in visible
    }


# $1 media ids, $2 channels, $3 senders, $4 client ids (parallel), $5 the channels, each once, $6
# the viewer. A probe of the unique key for each, as in models.log.entries.
_HELD = """
SELECT DISTINCT x.media_id
FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[])
    AS x (media_id, channel_id, sender_id, client_message_id)
CROSS JOIN LATERAL (
    SELECT n.seq, n.deleted_at, n.details FROM messages n
    WHERE n.channel_id = ANY ($5) AND n.channel_id = x.channel_id AND n.sender_id = x.sender_id
      AND n.client_message_id = x.client_message_id
    LIMIT 1
) m
JOIN members v ON v.channel_id = ANY ($5) AND v.channel_id = x.channel_id AND v.user_id = $6
    AND v.left_seq IS NULL AND v.joined_seq <= m.seq
WHERE m.deleted_at IS NULL AND m.details->'media' ? x.media_id
"""


async def list_held(database: Database, viewer_id: str, media_ids: Sequence[str]) -> set[str]:
    """Return the ids of the media that are in some message which the viewer can read."""
    if not media_ids:
        return set()
    channels = await database.fetch(
        "SELECT channel_id FROM user_channels WHERE user_id = $1 AND left_seq IS NULL", viewer_id
    )
    uses = await fetch_by_id(
        database,
        f"""
        SELECT media_id, holder_id, user_id, client_message_id FROM media_uses
        WHERE media_id = ANY ($1::uuid[]) AND holder_kind = {HolderKind.MESSAGE:d}
          AND holder_id = ANY ($2::uuid[])
        """,
        media_ids,
        [row["channel_id"] for row in channels],
    )
    rows = await fetch_lanes(
        database,
        _HELD,
        uses,
        lambda lane: (
            [use["media_id"] for use in lane],
            [use["holder_id"] for use in lane],
            [use["user_id"] for use in lane],
            [use["client_message_id"] for use in lane],
            sorted({use["holder_id"] for use in lane}),
            viewer_id,
        ),
        lane_of=lambda use: str(use["holder_id"]),
    )
    return {row["media_id"] for row in rows}


async def _list_pictures(database: Database, viewer_id: str, media_ids: Sequence[str]) -> set[str]:
    """Return the ids of the media that are a user's picture now, or that of a group which the
    viewer is in.
    """
    if not media_ids:
        return set()
    uses = await fetch_by_id(
        database,
        f"""
        SELECT DISTINCT holder_kind, holder_id FROM media_uses
        WHERE media_id = ANY ($1::uuid[]) AND holder_kind <> {HolderKind.MESSAGE:d}
        """,
        media_ids,
    )
    user_ids = [use["holder_id"] for use in uses if use["holder_kind"] == HolderKind.USER]
    group_ids = [use["holder_id"] for use in uses if use["holder_kind"] == HolderKind.GROUP]
    rows = await fetch_by_id(
        database,
        "SELECT avatar->>'id' AS media_id FROM users "
        "WHERE id = ANY ($1::uuid[]) AND avatar->>'id' = ANY ($2::text[])",
        user_ids,
        list(media_ids),
    )
    rows += await fetch_by_id(
        database,
        """
        SELECT g.avatar->>'id' AS media_id FROM members v
        JOIN groups g ON g.channel_id = ANY ($1::uuid[]) AND g.channel_id = v.channel_id
        WHERE v.channel_id = ANY ($1::uuid[]) AND v.user_id = $2 AND v.left_seq IS NULL
          AND g.avatar->>'id' = ANY ($3::text[])
        """,
        group_ids,
        viewer_id,
        list(media_ids),
    )
    return {row["media_id"] for row in rows}
