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
    "The users that a privacy setting admits.",
    {
        "EVERYONE": "All signed-in users, except where one of the two has blocked the other.",
        "CONTACTS": (
            "Users who have exchanged messages with the viewer: both have sent one in their chat."
        ),
        "NOBODY": "Nobody but the viewer.",
    },
)

_LAST_SEEN = (
    "Who may see whether the viewer is online, and when they last were. The viewer sees this only "
    "of users who may see it of the viewer."
)
_READ_RECEIPTS = (
    "Whether read receipts are shown in the viewer's chats. If false, the other user does not see "
    "what the viewer has read, and the viewer does not see what the other user has read. Groups "
    "always show them. Nobody is told of a change: others keep what they were shown until they "
    "fetch it again."
)
_ADD_TO_GROUPS = (
    "Who may add the viewer to a group. The viewer may join by an invite whatever this says."
)


@describes(Settings)
@strawberry.type(
    description=(
        "What others may see of the viewer, and whether they may add the viewer to groups."
    )
)
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


@strawberry.type(description="The answer if the settings were changed.")
class UpdatePrivacyPayload:
    privacy: Settings = strawberry.field(
        description="The settings as they are now.", graphql_type=PrivacySettings
    )


UpdatePrivacyResult = Annotated[
    UpdatePrivacyPayload | Refusal,
    strawberry.union("UpdatePrivacyResult", description="The changed settings, or a Refusal."),
]
