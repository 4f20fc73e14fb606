"""Privacy: the viewer's settings, and how they change."""

from typing import Annotated

import strawberry

from models.users.privacy import Audience
from models.users.privacy import PrivacySettings as Settings
from schema.enums import describe_enum
from schema.refusals import Refusal
from schema.sources import describes

describe_enum(
    Audience,
    "Whom something is for.",
    {
        "EVERYONE": "Whoever is signed in, but those with whom there is a block.",
        "CONTACTS": "Those with whom messages went both ways in the chat of the two.",
        "NOBODY": "Nobody else.",
    },
)

_LAST_SEEN = (
    "Who sees when the viewer is online and was last seen; the viewer sees no more of them."
)
_READ_RECEIPTS = (
    "Off hides the viewer's read receipts in chats and others' from the viewer. Groups always "
    "send them. Nobody is told of a change: what others were shown before stays until they fetch "
    "it again."
)
_ADD_TO_GROUPS = "Who may add the viewer to a group. Invites are open to all."


@describes(Settings)
@strawberry.type(description="What others see of the viewer, and may do with them.")
class PrivacySettings:
    last_seen: Audience = strawberry.field(description=_LAST_SEEN)
    read_receipts: bool = strawberry.field(description=_READ_RECEIPTS)
    add_to_groups: Audience = strawberry.field(description=_ADD_TO_GROUPS)


@strawberry.input(
    description=(
        "What to change. A field that is left out stays as it is. No setting can be cleared."
    )
)
class UpdatePrivacyInput:
    last_seen: Audience | None = strawberry.field(description=_LAST_SEEN, default=strawberry.UNSET)
    read_receipts: bool | None = strawberry.field(
        description=_READ_RECEIPTS, default=strawberry.UNSET
    )
    add_to_groups: Audience | None = strawberry.field(
        description=_ADD_TO_GROUPS, default=strawberry.UNSET
    )


@strawberry.type(description="The settings were changed.")
class UpdatePrivacyPayload:
    privacy: Settings = strawberry.field(
        description="The settings as they are now.", graphql_type=PrivacySettings
    )


UpdatePrivacyResult = Annotated[
    UpdatePrivacyPayload | Refusal,
    strawberry.union(
        "UpdatePrivacyResult", description="The changed settings, or why they were refused."
    ),
]
