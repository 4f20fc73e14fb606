"""Users: people with an account, and what others see of them."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from models.database import Connection, Database
from models.limits import Limits
from models.media.media import Media, picture_of, stored_picture
from models.media.uses import HolderKind, claim_picture, release_picture
from models.names import require_name
from models.refusals import invalid, not_found
from models.text import require_text

# The name of one who signed in for the first time without giving any.
NAMELESS = "New user"


class User(msgspec.Struct, frozen=True):
    """What others see of a person, as of the fetch."""

    id: str
    name: str
    about: str | None = None
    avatar: Media | None = None


COLUMNS = "id, name, about, avatar"


def user_of(row: asyncpg.Record) -> User:
    """A row of `COLUMNS` as a user."""
    return User(row[0], row[1], row[2], picture_of(row[3]))


class ProfileChanges(msgspec.Struct, frozen=True):
    """What `updateProfile` was given: UNSET keeps, None clears."""

    name: str | None | UnsetType = UNSET
    about: str | None | UnsetType = UNSET
    avatar_id: str | None | UnsetType = UNSET


async def create_user(connection: Connection, user_id: str, name: str, *, now: datetime) -> User:
    await connection.execute(
        "INSERT INTO users (id, name, created_at) VALUES ($1, $2, $3)", user_id, name, now
    )
    return User(id=user_id, name=name)


async def list_users(database: Database, user_ids: Sequence[str]) -> dict[str, User]:
    """Id to user, for those that exist."""
    rows = await database.fetch(f"SELECT {COLUMNS} FROM users WHERE id = ANY($1::uuid[])", user_ids)
    return {row[0]: user_of(row) for row in rows}


async def find_user(database: Database, user_id: str) -> User | None:
    row = await database.fetchrow(f"SELECT {COLUMNS} FROM users WHERE id = $1", user_id)
    return None if row is None else user_of(row)


async def update_profile(
    database: Database, user_id: str, changes: ProfileChanges, *, limits: Limits
) -> User:
    """Change what was given; the user as they are now.

    Raises:
        Refused: INVALID_INPUT naming the field; what `claim_picture` refuses.
    """
    name = _new_name(changes.name, limits)
    about = _new_about(changes.about, limits)
    avatar = await _new_avatar(database, user_id, changes.avatar_id)
    async with database.transaction() as connection:
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
            WHERE id = $1 RETURNING {COLUMNS}
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
        await release_picture(connection, replaced_id, user.avatar)
    return user


async def _new_avatar(
    database: Database, user_id: str, avatar_id: str | None | UnsetType
) -> Media | None | UnsetType:
    if avatar_id is UNSET or avatar_id is None:
        return avatar_id
    return await claim_picture(database, user_id, HolderKind.USER, user_id, avatar_id)


def _new_name(name: str | None | UnsetType, limits: Limits) -> str | None:
    """None keeps the name: it cannot be cleared."""
    if name is UNSET:
        return None
    if name is None:
        raise invalid("A name cannot be cleared.", "name")
    return require_name(name, "name", limits.name_length)


def _new_about(about: str | None | UnsetType, limits: Limits) -> str | None | UnsetType:
    """A blank one clears, as null does."""
    if about is UNSET or about is None or not about.strip():
        return UNSET if about is UNSET else None
    return require_text(about, "about", limits.about_length, allow_newlines=True)
