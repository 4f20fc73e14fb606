"""Sign-in: one-time codes, and the sessions that they are traded for."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.devices import devices, sessions
from models.devices.codes import CodePurpose
from models.users import users
from schema.devices.devices import Device, DeviceInput
from schema.enums import describe_enum
from schema.refusals import Refusal
from schema.scalars import DateTime, LanguageTag, PhoneNumber
from schema.sources import describes
from schema.users.users import User

describe_enum(
    CodePurpose,
    "What a code is for. The SMS names it, and the code cannot be used for anything else.",
    {"SIGN_IN": "To sign in with `signIn`."},
)


@strawberry.input(description="Where to send a one-time code.")
class RequestCodeInput:
    phone_number: str = strawberry.field(
        description="The number to sign in with.", graphql_type=PhoneNumber
    )
    language: str | None = strawberry.field(
        description="The language of the SMS. English if it is left out or not supported.",
        graphql_type=LanguageTag | None,
        default=None,
    )
    purpose: CodePurpose = strawberry.field(
        description="What the code is for.", default=CodePurpose.SIGN_IN
    )


@strawberry.type(
    description=(
        "The answer if the code is being sent. It is the same whether the number has an account or "
        "not."
    )
)
class RequestCodePayload:
    expires_at: datetime = strawberry.field(
        description="Until when the code works. It works once.", graphql_type=DateTime
    )
    next_request_at: datetime = strawberry.field(
        description=(
            "When the next code for this number may be requested, if nobody else requests one. "
            "This code stays valid then."
        ),
        graphql_type=DateTime,
    )
    request_secret: str = strawberry.field(
        description=(
            "The secret that signIn needs together with this code. Nobody can try the code "
            "without it, so keep it on this device. At most 100 characters."
        )
    )
    development_code: str | None = strawberry.field(
        description="The code itself, in development only; null in production."
    )


RequestCodeResult = Annotated[
    RequestCodePayload | Refusal,
    strawberry.union("RequestCodeResult", description="When the code expires, or a Refusal."),
]


@strawberry.input(description="A one-time code, and who signs in with it.")
class SignInInput:
    phone_number: str = strawberry.field(
        description="The number that the code was sent to.", graphql_type=PhoneNumber
    )
    request_secret: str = strawberry.field(
        description="The `requestSecret` that `requestCode` returned for this code."
    )
    code: str = strawberry.field(
        description="The 6 digits of the code. Each code can be tried 5 times."
    )
    device: DeviceInput = strawberry.field(description="The device that signs in.")
    name: str | None = strawberry.field(
        description=(
            "The name of a new account: 1 to 100 characters, none of them invisible. Ignored if "
            "the number has an account."
        ),
        default=None,
    )


@describes(sessions.Session)
@strawberry.type(description="A signed-in device and its tokens.")
class Session:
    access_token: str = strawberry.field(
        description=(
            "The token to send with every request, in the header `Authorization: Bearer "
            "<accessToken>`."
        )
    )
    access_token_expires_at: datetime = strawberry.field(
        description="When the access token expires. Call refreshSession before.",
        graphql_type=DateTime,
    )
    refresh_token: str = strawberry.field(
        description=(
            "The token to give to refreshSession, within 60 days, for new tokens. Keep it secret."
        )
    )
    user: users.User = strawberry.field(description="The user who is signed in.", graphql_type=User)
    device: devices.Device = strawberry.field(
        description="The device that is signed in.", graphql_type=Device
    )
    is_new_user: bool = strawberry.field(description="Whether this sign-in created the account.")


SignInResult = Annotated[
    Session | Refusal,
    strawberry.union("SignInResult", description="The session, or a Refusal."),
]
