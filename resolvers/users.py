"""Users: the viewer, others by id or number, and the viewer's own profile."""

from datetime import UTC, datetime
from typing import Annotated

import strawberry

from models import ids
from models.log.signals import Signalled, ViewerChanged
from models.refusals import not_found
from models.users import users
from models.users.phone_numbers import discover_contacts
from models.users.users import ProfileChanges, update_profile
from resolvers.media import given_avatar
from schema.absent import given
from schema.budgets import spends
from schema.context import context_of
from schema.refusals import Refusal, answers_refusals
from schema.scalars import PhoneNumber
from schema.users.users import UpdateProfileInput, UpdateProfilePayload, UpdateProfileResult, User


@strawberry.type
class UserQueries:
    @strawberry.field(description="The signed-in user.", graphql_type=User)
    async def viewer(self, info: strawberry.Info) -> users.User:
        context = context_of(info)
        # Read, not taken from the session, whose copy may be 2 s old.
        user = await context.loaders.users.load(context.require_viewer().user.id)
        if user is None:
            raise not_found("There is no such user.")
        return user

    @strawberry.field(
        description=(
            "A user by id; any signed-in viewer who has the id may see them. "
            "Null when there is none."
        ),
        graphql_type=User | None,
    )
    async def user(
        self,
        info: strawberry.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="A usr_… id.")],
    ) -> users.User | None:
        context = context_of(info)
        context.require_viewer()
        user_id = ids.parse_plain("usr", id)
        return None if user_id is None else await context.loaders.users.load(user_id)

    @strawberry.field(
        description=(
            "Contact discovery: which of these numbers have an account. At most 100 a call, and "
            "budgeted. In the order asked, without those that have none; from now on the viewer "
            "sees the numbers found."
        ),
        graphql_type=list[User],
    )
    async def users_by_phone(
        self,
        info: strawberry.Info,
        phone_numbers: Annotated[
            list[PhoneNumber],
            strawberry.argument(description="The viewer's contacts. At most 100."),
        ],
    ) -> list[users.User]:
        context = context_of(info)
        viewer = context.require_viewer()
        return await discover_contacts(
            context.resources.database,
            viewer.user.id,
            phone_numbers,
            address=context.client_address,
            limits=context.resources.limits,
            now=datetime.now(UTC),
        )


@strawberry.type
class UserMutations:
    @strawberry.mutation(
        description="Changes the viewer's own profile. Absent keeps, null clears.",
        graphql_type=UpdateProfileResult,
    )
    @answers_refusals
    @spends("setting_changes_per_user")
    async def update_profile(
        self,
        info: strawberry.Info,
        input: Annotated[UpdateProfileInput, strawberry.argument(description="What to change.")],
    ) -> UpdateProfilePayload | Refusal:
        context = context_of(info)
        viewer = context.require_viewer()
        resources = context.resources
        changes = ProfileChanges(
            given(input.name), given(input.about), given_avatar(input.avatar_media_id)
        )
        user = await update_profile(
            resources.database, viewer.user.id, changes, limits=resources.limits
        )
        resources.live.announce([Signalled(ViewerChanged(), [user.id])])
        return UpdateProfilePayload(user=user)
