"""Users: as others see them, and what the viewer changes of their own profile."""

from typing import Annotated

import strawberry

from models.ids import user_global_id
from models.media import media
from models.users import users
from models.users.presence import Presence as PresenceValue
from schema.context import context_of
from schema.fields import SHARED
from schema.global_ids import ObjectWithId, global_id_field
from schema.media.media import Media
from schema.paging import Edge, Page, PageInfo
from schema.refusals import Refusal
from schema.scalars import PhoneNumber
from schema.sources import describes
from schema.users.presence import Presence


def _id_of(user: users.User) -> str:
    return user_global_id(user.id)


@describes(users.User, users.UserReference)
@strawberry.type(description="A person with an account, as they were at the time of the fetch.")
class User(ObjectWithId):
    id: strawberry.ID = global_id_field(_id_of, shared=True)
    name: str = strawberry.field(
        description="The user's name, 1 to 100 characters.",
        metadata={"plan": "name", "shared": True},
    )
    about: str | None = strawberry.field(
        description="What the user says about themselves, at most 500 characters. Null if nothing.",
        metadata={"plan": "about", "shared": True},
    )
    avatar: media.Media | None = strawberry.field(
        description="The user's picture. Null if there is none.",
        graphql_type=Media | None,
        metadata=SHARED,
    )

    @strawberry.field(
        description=(
            "Whether the viewer has blocked this user. The viewer is not told whether this user "
            "has blocked them."
        ),
        graphql_type=bool,
    )
    async def is_blocked(root: strawberry.Parent[users.User], info: strawberry.Info) -> bool:
        return await context_of(info).loaders.blocked.load(root.id)

    @strawberry.field(
        description=(
            "The phone number, if it is the viewer's own or the viewer already knew it. "
            "Otherwise null."
        ),
        graphql_type=PhoneNumber | None,
    )
    async def phone_number(
        root: strawberry.Parent[users.User], info: strawberry.Info
    ) -> str | None:
        return await context_of(info).loaders.phone_numbers.load(root.id)

    @strawberry.field(
        description=(
            "Whether the user is online, and when they last were. Null if the user hides it from "
            "the viewer, if the viewer hides their own from the user, or while the server cannot "
            "know it."
        ),
        graphql_type=Presence | None,
    )
    async def presence(
        root: strawberry.Parent[users.User], info: strawberry.Info
    ) -> PresenceValue | None:
        return await context_of(info).loaders.presences.load(root.id)


@describes(Edge)
@strawberry.type(description="A user in a page.")
class UserEdge:
    cursor: str = strawberry.field(description="The cursor of this item, for `after`.")
    node: users.User = strawberry.field(description="The user.", graphql_type=User)


@describes(Page)
@strawberry.type(description="A page of users.")
class UserConnection:
    edges: list[UserEdge] = strawberry.field(description="The users with their cursors.")
    nodes: list[User] = strawberry.field(description="The users.")
    page_info: PageInfo = strawberry.field(
        description="Whether there are more pages, and the cursors to fetch them."
    )


@strawberry.input(
    description=(
        "What to change in the viewer's profile. A field that is left out stays as it is; null "
        "clears it."
    )
)
class UpdateProfileInput:
    name: str | None = strawberry.field(
        description=(
            "The new name: 1 to 100 characters in one line, none of them invisible. It cannot be "
            "cleared."
        ),
        default=strawberry.UNSET,
    )
    about: str | None = strawberry.field(
        description=(
            "What the viewer says about themselves, at most 500 characters. Null or a blank text "
            "clears it."
        ),
        default=strawberry.UNSET,
    )
    avatar_media_id: strawberry.ID | None = strawberry.field(
        description=(
            "The new picture: a READY file of kind IMAGE that the viewer can see. Null removes the "
            "picture."
        ),
        default=strawberry.UNSET,
    )


@strawberry.type(description="The answer if the profile was changed.")
class UpdateProfilePayload:
    user: users.User = strawberry.field(
        description="The viewer's profile as it is now.", graphql_type=User
    )


UpdateProfileResult = Annotated[
    UpdateProfilePayload | Refusal,
    strawberry.union("UpdateProfileResult", description="The changed profile, or a Refusal."),
]
