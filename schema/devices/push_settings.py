"""How a device is pushed to: the kind of its endpoint, and its settings."""

from collections.abc import Callable
from typing import Any

import strawberry

from models.push import settings
from models.push.addresses import PushEndpointKind
from models.push.settings import PushPreview, print_time
from schema.enums import describe_enum
from schema.sources import describes

describe_enum(
    PushEndpointKind,
    "How a device is reached while it has no open subscription.",
    {
        "APNS": "Apple's push notification service.",
        "FCM": "Firebase Cloud Messaging.",
        "WEB_PUSH": "A browser's push service, with VAPID.",
        "EMAIL": "E-mail: a digest of what has been unread for 10 minutes.",
        "SMS": "SMS, as the last resort: it says only that there is something unread.",
    },
)
describe_enum(
    PushPreview,
    "How much of a message a push shows.",
    {
        "NOTHING": "Only that there is something new.",
        "SENDER": "Also who sent it, and in which group.",
        "MESSAGE": "Also the beginning of the message.",
    },
)

_PREVIEW = "How much of a message a push shows on the screen of this device."
_MENTIONS = "Whether messages that mention the viewer are pushed even if their channel is muted."
_FROM = "When the quiet hours begin: a time of the day, for example 22:00."
_UNTIL = (
    "When the quiet hours end, for example 07:00. If this is earlier than `from`, they end on the "
    "next day."
)
_ZONE = "The time zone of both times: its name in the IANA database, for example Europe/Berlin."


def _time_field(make: Callable[[Any], str], name: str, description: str) -> Any:
    def resolve(root: strawberry.Parent[Any]) -> str:
        return make(root)

    return strawberry.field(
        resolver=resolve, name=name, description=description, metadata={"plan": make}
    )


@describes(settings.QuietHours)
@strawberry.type(
    description=(
        "The hours of the day in which nothing is pushed. What is still unread when they end is "
        "pushed then."
    )
)
class QuietHours:
    from_: str = _time_field(lambda quiet: print_time(quiet.from_minute), "from", _FROM)
    until: str = _time_field(lambda quiet: print_time(quiet.until_minute), "until", _UNTIL)
    time_zone: str = strawberry.field(description=_ZONE)


@describes(settings.PushSettings)
@strawberry.type(description="What a device's pushes show, and when they are sent.")
class PushSettings:
    preview: PushPreview = strawberry.field(description=_PREVIEW)
    mentions_when_muted: bool = strawberry.field(description=_MENTIONS)
    quiet_hours: settings.QuietHours | None = strawberry.field(
        description="When nothing is pushed to this device. Null if there are no quiet hours.",
        graphql_type=QuietHours | None,
    )


@strawberry.input(description="Hours of the day in which nothing is pushed.")
class QuietHoursInput:
    from_: str = strawberry.field(name="from", description=_FROM)
    until: str = strawberry.field(description=_UNTIL)
    time_zone: str = strawberry.field(description=_ZONE)


@strawberry.input(description="What to change. A field that is left out stays as it is.")
class PushSettingsInput:
    preview: PushPreview | None = strawberry.field(description=_PREVIEW, default=strawberry.UNSET)
    mentions_when_muted: bool | None = strawberry.field(
        description=_MENTIONS, default=strawberry.UNSET
    )
    quiet_hours: QuietHoursInput | None = strawberry.field(
        description="When nothing is pushed to this device. Null ends the quiet hours.",
        default=strawberry.UNSET,
    )
