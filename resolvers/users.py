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
            "The user with this id. Every signed-in viewer who knows the id may see the user. "
            "Null if there is no such user."
        ),
        graphql_type=User | None,
    )
    async def user(
        self,
        info: strawberry.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="A user's id (usr_…).")],
    ) -> users.User | None:
        context = context_of(info)
        context.require_viewer()
        user_id = ids.parse_plain("usr", id)
        return None if user_id is None else await context.loaders.users.load(user_id)

    @strawberry.field(
        description=(
            "Finds which of these phone numbers have an account. Returns their users in the "
            "order of the numbers; numbers without an account are left out. From now on the "
            "viewer sees the phone numbers of the users found. At most 100 in a call; "
            "RATE_LIMITED if the viewer's budget is used up."
        ),
        graphql_type=list[User] | None,
    )
    async def users_by_phone(
        self,
        info: strawberry.Info,
        phone_numbers: Annotated[
            list[PhoneNumber],
            strawberry.argument(
                description="The phone numbers of the viewer's contacts. At most 100."
            ),
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
        description=(
            "Changes the viewer's own profile. A field that is left out stays as it is; null "
            "clears it."
        ),
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
