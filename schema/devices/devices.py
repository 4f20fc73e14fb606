"""Devices: the viewer's own signed-in installations."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.devices import devices
from models.devices.devices import Platform
from models.ids import device_global_id
from models.push.addresses import PushEndpointKind
from models.push.settings import PushSettings as Settings
from schema.devices.push_settings import PushSettings
from schema.enums import describe_enum
from schema.global_ids import ObjectWithId, global_id_field
from schema.refusals import Refusal
from schema.scalars import DateTime
from schema.sources import describes

describe_enum(
    Platform,
    "What a device runs on.",
    {
        "IOS": "An iPhone or iPad.",
        "ANDROID": "An Android phone or tablet.",
        "WEB": "A browser.",
        "DESKTOP": "A desktop application.",
        "OTHER": "Anything else.",
    },
)


@describes(devices.PushEmail)
@strawberry.type(description="The e-mail address to which a device's digests are sent.")
class PushEmail:
    address: str = strawberry.field(description="The address.")
    confirmed: bool = strawberry.field(
        description=(
            "Whether the user has confirmed the address with `confirmPushEmail`. Until then no "
            "digest is sent to it."
        )
    )


def _id_of(device: devices.Device) -> str:
    return device_global_id(device.id)


@describes(devices.Device)
@strawberry.type(description="One signed-in installation of the viewer.")
class Device(ObjectWithId):
    id: strawberry.ID = global_id_field(_id_of)
    name: str = strawberry.field(
        description="The name that the device gave itself at sign-in, 1 to 100 characters."
    )
    platform: Platform = strawberry.field(description="What the device runs on.")
    created_at: datetime = strawberry.field(
        description="When the device signed in.", graphql_type=DateTime
    )
    last_active_at: datetime = strawberry.field(
        description="When the device last sent a request, to the minute.", graphql_type=DateTime
    )
    is_current: bool = strawberry.field(
        description="Whether this is the device that sends this request."
    )
    push_endpoint: PushEndpointKind | None = strawberry.field(
        description=(
            "How the device receives pushes while it has no open subscription. Null if it "
            "receives none."
        )
    )
    push_email: devices.PushEmail | None = strawberry.field(
        description=(
            "The e-mail address of an EMAIL endpoint. Null for other endpoints, and if there is "
            "none."
        ),
        graphql_type=PushEmail | None,
    )
    push_settings: Settings = strawberry.field(
        description="The device's push settings.", graphql_type=PushSettings
    )


@strawberry.input(description="The device that signs in.")
class DeviceInput:
    name: str = strawberry.field(
        description=(
            "The device's name in the viewer's list of devices: 1 to 100 characters in one line, "
            "none of them invisible."
        )
    )
    platform: Platform = strawberry.field(description="What the device runs on.")


@strawberry.type(
    description=(
        "The answer if the device was signed out. Its sockets close, and its tokens are refused "
        "from now on."
    )
)
class RevokeDevicePayload:
    device_id: strawberry.ID = strawberry.field(description="The device that was signed out.")


RevokeDeviceResult = Annotated[
    RevokeDevicePayload | Refusal,
    strawberry.union(
        "RevokeDeviceResult",
        description=("The id of the device that was signed out, or a Refusal."),
    ),
]
