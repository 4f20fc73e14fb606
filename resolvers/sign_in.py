"""Sign-in: codes, sessions and their refresh. None of these looks at the viewer, so an ended access
token blocks none.
"""

from datetime import UTC, datetime
from typing import Annotated

import strawberry

from models.devices import sessions
from models.devices.codes import CodeRequest, request_code
from models.devices.sessions import DeviceEnded
from models.devices.sign_in import SignIn, sign_in
from models.log.signals import Signalled, ViewerChanged
from schema.budgets import spends
from schema.context import context_of
from schema.devices.sign_in import (
    RequestCodeInput,
    RequestCodePayload,
    RequestCodeResult,
    SignInInput,
    SignInResult,
)
from schema.refusals import Refusal, answers_refusals


@strawberry.type
class SignInMutations:
    @strawberry.mutation(
        description=(
            "Sends a one-time code by SMS. The answer is the same whether the number has an "
            "account or not. A number can have up to 3 valid codes at once, each with its own "
            "`requestSecret` and 5 tries; a new request does not end earlier codes. Requests "
            "are limited for each number, for each network address, for both together and for "
            "the whole server. A network from which the number's owner has signed in before has "
            "a limit of its own, so that strangers cannot use it up."
        ),
        graphql_type=RequestCodeResult,
    )
    @answers_refusals
    @spends("sign_in_steps_per_address")
    async def request_code(
        self,
        info: strawberry.Info,
        input: Annotated[RequestCodeInput, strawberry.argument(description="Where to send it.")],
    ) -> RequestCodePayload | Refusal:
        context = context_of(info)
        resources = context.resources
        requested = await request_code(
            resources.database,
            resources.tokens,
            resources.sms,
            CodeRequest(input.phone_number, context.client_address, input.language, input.purpose),
            rules=resources.sms_rules,
            now=datetime.now(UTC),
        )
        return RequestCodePayload(
            expires_at=requested.expires_at,
            next_request_at=requested.next_request_at,
            request_secret=requested.secret,
            development_code=requested.code if resources.development else None,
        )

    @strawberry.mutation(
        description=(
            "Signs in with a code and the secret of its request. The first sign-in with a number "
            "creates the account. A code works once. After 5 wrong tries with its secret it is no "
            "longer valid; tries without the secret do not count."
        ),
        graphql_type=SignInResult,
    )
    @answers_refusals
    @spends("sign_in_steps_per_address")
    async def sign_in(
        self,
        info: strawberry.Info,
        input: Annotated[SignInInput, strawberry.argument(description="The code and the device.")],
    ) -> sessions.Session | Refusal:
        context = context_of(info)
        asked = SignIn(
            number=input.phone_number,
            request_secret=input.request_secret,
            code=input.code,
            device_name=input.device.name,
            platform=input.device.platform,
            name=input.name,
        )
        resources = context.resources
        session = await sign_in(
            resources.database,
            resources.tokens,
            asked,
            address=context.client_address,
            now=datetime.now(UTC),
        )
        # Their devices.
        resources.live.announce([Signalled(ViewerChanged(), [session.user.id])])
        return session

    @strawberry.mutation(
        description=(
            "Returns a new access token and a new refresh token for a refresh token. It needs no "
            "access token. All open sockets of the device stay open with the new session. If an "
            "answer is lost, or two tabs refresh at once, send the old refresh token again: it "
            "returns the same new refresh token until 10 s after the new tokens were first used. "
            "Using an old token later signs the device out."
        ),
        graphql_type=SignInResult,
    )
    @answers_refusals
    @spends("sign_in_steps_per_address")
    async def refresh_session(
        self,
        info: strawberry.Info,
        refresh_token: Annotated[
            str,
            strawberry.argument(description="The newest refresh token that this device received."),
        ],
    ) -> sessions.Session | Refusal:
        context = context_of(info)
        resources = context.resources
        try:
            return await resources.sessions.refresh(refresh_token, address=context.client_address)
        except DeviceEnded as ended:
            # Their other devices, as when they end one themselves.
            resources.live.announce([Signalled(ViewerChanged(), [ended.user_id])])
            raise
