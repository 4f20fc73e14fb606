"""Push: what is said of a device's endpoint, and what comes of it."""

from typing import Annotated

import strawberry

from models.devices import devices
from schema.devices.devices import Device
from schema.refusals import Refusal
from schema.scalars import PhoneNumber


@strawberry.input(description="A device of Firebase Cloud Messaging.")
class FcmEndpointInput:
    token: str = strawberry.field(description="The registration token.")


@strawberry.input(description="A device of Apple's push notification service.")
class ApnsEndpointInput:
    token: str = strawberry.field(description="The device token, in hexadecimal.")
    topic: str = strawberry.field(description="The app's bundle id.")
    sandbox: bool = strawberry.field(
        description="Whether it is a token of the development environment.", default=False
    )


@strawberry.input(description="A subscription of a browser's PushManager.")
class WebPushEndpointInput:
    endpoint: str = strawberry.field(
        description=("The subscription's URL. It must be on the public internet.")
    )
    p256dh: str = strawberry.field(description="The subscription's public key, in base64url.")
    auth: str = strawberry.field(
        description=("The subscription's authentication secret, in base64url.")
    )


@strawberry.input(description="Digests by e-mail, once the address is confirmed.")
class EmailEndpointInput:
    address: str = strawberry.field(description="The viewer's e-mail address.")


@strawberry.input(description="A digest by SMS, for phones that no other push can reach.")
class SmsEndpointInput:
    phone_number: str = strawberry.field(
        description="The number that the viewer has signed in with.", graphql_type=PhoneNumber
    )


@strawberry.input(
    description="Where a device receives pushes. Give exactly one field.", one_of=True
)
class PushEndpointInput:
    fcm: FcmEndpointInput | None = strawberry.field(
        description="Firebase Cloud Messaging, for Android phones and others.",
        default=strawberry.UNSET,
    )
    apns: ApnsEndpointInput | None = strawberry.field(
        description="Apple's push notification service, for iPhones, iPads and Macs.",
        default=strawberry.UNSET,
    )
    web_push: WebPushEndpointInput | None = strawberry.field(
        description="Web Push, for browsers.", default=strawberry.UNSET
    )
    email: EmailEndpointInput | None = strawberry.field(
        description="Digests by e-mail.", default=strawberry.UNSET
    )
    sms: SmsEndpointInput | None = strawberry.field(
        description="SMS to the viewer's own phone number.", default=strawberry.UNSET
    )


@strawberry.type(description="The answer if the endpoint was set, deleted or confirmed.")
class SetPushEndpointPayload:
    device: devices.Device = strawberry.field(
        description="This device, as it is now.", graphql_type=Device
    )


SetPushEndpointResult = Annotated[
    SetPushEndpointPayload | Refusal,
    strawberry.union(
        "SetPushEndpointResult", description="The device with its endpoint, or a Refusal."
    ),
]


@strawberry.type(description="The answer if the settings were changed.")
class SetPushSettingsPayload:
    device: devices.Device = strawberry.field(
        description="This device, as it is now.", graphql_type=Device
    )


SetPushSettingsResult = Annotated[
    SetPushSettingsPayload | Refusal,
    strawberry.union(
        "SetPushSettingsResult", description="The device with its settings, or a Refusal."
    ),
]
