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
    "How a device is reached that follows nothing.",
    {
        "APNS": "Apple's push notification service.",
        "FCM": "Firebase Cloud Messaging.",
        "WEB_PUSH": "A browser's push service, with VAPID.",
        "EMAIL": "A digest by e-mail, of what is unread for 10 minutes.",
        "SMS": "An SMS that says no more than that something is unread, as the last resort.",
    },
)
describe_enum(
    PushPreview,
    "How much of a message a push shows.",
    {
        "NOTHING": "Only that there is something.",
        "SENDER": "Who it is from, and in which group.",
        "MESSAGE": "The beginning of what they say, too.",
    },
)

_PREVIEW = "How much of a message a push shows on the screen of this device."
_MENTIONS = "Whether messages that mention the viewer are pushed though their channel is muted."
_FROM = "When they begin, as a time of the day: 22:00."
_UNTIL = "When they end: 07:00 is on the next day where that is before they begin."
_ZONE = "The time zone of both, by its name in the IANA database: Europe/Berlin."


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
@strawberry.type(description="How a device wants to be pushed to.")
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
