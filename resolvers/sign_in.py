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
            "account or not. Up to 3 codes of a number are in force side by side, each with its "
            "own `requestSecret` and 5 tries; asking again ends none of them. Limited per number "
            "and address, per number, per address and overall; where the number's owner has "
            "signed in before, apart from everybody else."
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
            "Trades a code and the secret of its request for a session; makes the account on "
            "first use. A code works once, and is void after 5 wrong tries; nobody else's tries "
            "count towards these."
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
            "Trades a refresh token for a new pair. An answer may get lost, and tabs may race: "
            "until 10 s after the new pair is first accepted anywhere, however late that is, the "
            "old token answers with the same new refresh token; used after that, it ends the "
            "device. Renews every open socket of the device. Needs no access token."
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
            strawberry.argument(description="The newest refresh token that the device was given."),
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
