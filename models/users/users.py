"""Users: people with an account, and what others see of them."""

import time
from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from models.jobs.due import transaction_with_jobs
from models.limits.limits import Limits
from models.media.media import Media, picture_of, stored_picture
from models.media.uses import HolderKind, claim_picture, release_picture
from models.names import require_name
from models.postgresql.database import Connection, Database
from models.postgresql.lanes import fetch_by_id
from models.refusals import invalid, not_found
from models.text import require_text

# The bucket of all changes of profiles.
BUCKET = 0
# The name of a user who gave none at their first sign-in.
NAMELESS = "New user"


class User(msgspec.Struct, frozen=True):
    """What others see of a user, as it was when it was read."""

    id: str
    name: str
    about: str | None = None
    avatar: Media | None = None


class UserReference(msgspec.Struct, frozen=True):
    """What is known of a user without reading it."""

    id: str


USER_COLUMNS = "id, name, about, avatar"


def user_of(row: asyncpg.Record) -> User:
    """Return the user of a row that holds `USER_COLUMNS`."""
    return User(row["id"], row["name"], row["about"], picture_of(row["avatar"]))


class ProfileChanges(msgspec.Struct, frozen=True):
    """The changes that `updateProfile` asks for: UNSET keeps a value, None clears it."""

    name: str | None | UnsetType = UNSET
    about: str | None | UnsetType = UNSET
    avatar_id: str | None | UnsetType = UNSET


async def create_user(connection: Connection, user_id: str, name: str, *, now: datetime) -> User:
    """Store a new user within the caller's transaction."""
    await connection.execute(
        "INSERT INTO users (id, name, created_at) VALUES ($1, $2, $3)", user_id, name, now
    )
    return User(id=user_id, name=name)


async def list_users(
    database: Database, user_ids: Sequence[str], *, unkept: Collection[str] = ()
) -> dict[str, User]:
    """Return the users by id; ids of nobody are left out. In a process that keeps profiles they may
    be up to two seconds old (models/users/profiles.py), but for those that are `unkept`.
    """
    profiles = database.profiles
    found: dict[str, User] = {}
    if profiles is not None:
        found = profiles.find(each for each in user_ids if each not in unkept)
    lacking = [user_id for user_id in user_ids if user_id not in found]
    if not lacking:
        return found
    began = time.monotonic()
    rows = await fetch_by_id(
        database, f"SELECT {USER_COLUMNS} FROM users WHERE id = ANY($1::uuid[])", lacking
    )
    read = [user_of(row) for row in rows]
    if profiles is not None:
        profiles.keep(read, began)
    return found | {user.id: user for user in read}


async def find_user(database: Database, user_id: str) -> User | None:
    """Return the user, or None if there is none of this id."""
    row = await database.fetchrow(f"SELECT {USER_COLUMNS} FROM users WHERE id = $1", user_id)
    return None if row is None else user_of(row)


async def update_profile(
    database: Database, user_id: str, changes: ProfileChanges, *, limits: Limits
) -> User:
    """Change what is not UNSET, and return the user as they are now.

    Raises:
        Refused: INVALID_INPUT naming the field, NOT_FOUND, and whatever `claim_picture` refuses.
    """
    name = _new_name(changes.name, limits)
    about = _new_about(changes.about, limits)
    avatar = await _new_avatar(database, user_id, changes.avatar_id)
    async with transaction_with_jobs(database) as (connection, due):
        replaced_id = None
        if avatar is not UNSET:
            replaced_id = await connection.fetchval(
                "SELECT avatar->>'id' FROM users WHERE id = $1 FOR UPDATE", user_id
            )
        row = await connection.fetchrow(
            f"""
            UPDATE users SET name = coalesce($2, name),
                about = CASE WHEN $3 THEN $4 ELSE about END,
                avatar = CASE WHEN $5 THEN $6::jsonb ELSE avatar END
            WHERE id = $1 RETURNING {USER_COLUMNS}
            """,
            user_id,
            name,
            about is not UNSET,
            None if about is UNSET else about,
            avatar is not UNSET,
            None if avatar is UNSET else stored_picture(avatar),
        )
        if row is None:
            raise not_found("There is no such user.")
        user = user_of(row)
        release_picture(due, replaced_id, user.avatar)
        await _note_change(connection, user_id)
    if database.profiles is not None:
        database.profiles.drop([user_id])
    return user


async def _note_change(connection: Connection, user_id: str) -> None:
    """Tell all processes, within the caller's transaction, to read the profile anew."""
    await connection.execute(
        "INSERT INTO profile_changes (bucket, at, user_id) VALUES ($1, now(), $2) "
        "ON CONFLICT DO NOTHING",
        BUCKET,
        user_id,
    )


async def _new_avatar(
    database: Database, user_id: str, avatar_id: str | None | UnsetType
) -> Media | None | UnsetType:
    if avatar_id is UNSET or avatar_id is None:
        return avatar_id
    return await claim_picture(database, user_id, HolderKind.USER, user_id, avatar_id)


def _new_name(name: str | None | UnsetType, limits: Limits) -> str | None:
    """Return the name to store, or None to keep the old one.

    Raises:
        Refused: INVALID_INPUT. A name cannot be cleared.
    """
    if name is UNSET:
        return None
    if name is None:
        raise invalid("A name cannot be cleared.", "name")
    return require_name(name, "name", limits.name_length)


def _new_about(about: str | None | UnsetType, limits: Limits) -> str | None | UnsetType:
    """Return the text to store, None to clear it, UNSET to keep it. Blank text clears it."""
    if about is UNSET or about is None or not about.strip():
        return UNSET if about is UNSET else None
    return require_text(about, "about", limits.about_length, allow_newlines=True)
