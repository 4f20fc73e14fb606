"""System notices: what happened to a channel."""

import strawberry

from models.messages import notices
from models.messages.notices import NoticeKind
from models.unloaded import UNLOADED
from models.users import users
from schema.context import context_of
from schema.enums import describe_enum
from schema.fields import SHARED
from schema.sources import describes
from schema.users.users import User

describe_enum(
    NoticeKind,
    "What happened to a group.",
    {
        "GROUP_CREATED": "The group was created. `value` is its name.",
        "GROUP_RENAMED": "The group has a new name: `value`.",
        "GROUP_CHANGED": "The group's description or picture was changed.",
        "MEMBER_JOINED": "The actor joined by an invite.",
        "MEMBER_ADDED": "The actor added the subjects.",
        "MEMBER_LEFT": "The actor left.",
        "MEMBER_REMOVED": "The actor removed the subjects.",
        "ROLE_CHANGED": "The subject has a new role: `value`.",
    },
    name="SystemNoticeKind",
)


async def _actor(
    root: strawberry.Parent[notices.SystemNotice], info: strawberry.Info
) -> users.User | None:
    if root.actor is not UNLOADED:
        return root.actor
    return await context_of(info).loaders.users.load(root.actor_id or "")


async def _subjects(
    root: strawberry.Parent[notices.SystemNotice], info: strawberry.Info
) -> list[users.User]:
    if root.subjects is not UNLOADED:
        return root.subjects
    found = await context_of(info).loaders.users.load_many(root.subject_ids)
    return [user for user in found if user is not None]


@describes(notices.SystemNotice)
@strawberry.type(
    description=(
        "What happened to a group: who did it, to whom, and the new name or role. One "
        "mutation makes one notice; only when the last owner leaves there are two "
        "(ROLE_CHANGED, MEMBER_LEFT). An update is GROUP_RENAMED if the name changed, else "
        "GROUP_CHANGED."
    )
)
class SystemNotice:
    kind: NoticeKind = strawberry.field(description="What happened.", metadata=SHARED)
    actor: users.User | None = strawberry.field(
        resolver=_actor,
        description="The user who did it.",
        graphql_type=User | None,
        metadata={"plan": "actor", **SHARED},
    )
    subjects: list[users.User] = strawberry.field(
        resolver=_subjects,
        description="The users to whom it was done.",
        graphql_type=list[User],
        metadata={"plan": "subjects", "list_size": 1, **SHARED},
    )
    value: str | None = strawberry.field(
        description=(
            "The name (GROUP_CREATED, GROUP_RENAMED) or the role (ROLE_CHANGED). Otherwise null."
        ),
        metadata=SHARED,
    )
