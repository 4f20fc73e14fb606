"""Push: where this device is reached that follows nothing, and how it wants that."""

from datetime import UTC, datetime
from typing import Annotated

import strawberry
from msgspec import UNSET, UnsetType

from models.devices.devices import Device, find_device
from models.devices.viewer import Viewer
from models.log.signals import Signalled, ViewerChanged
from models.push.addresses import (
    ApnsAddress,
    EmailAddress,
    FcmAddress,
    PushAddress,
    SmsAddress,
    WebPushAddress,
    check_address,
    check_mail,
)
from models.push.endpoints import set_endpoint
from models.push.mails import confirm_mail
from models.push.settings import (
    PushSettingsChanges,
    QuietHours,
    parse_quiet_hours,
    set_push_settings,
)
from models.refusals import not_found
from schema.absent import given_setting
from schema.budgets import spends
from schema.context import Context, context_of
from schema.devices.push import (
    PushEndpointInput,
    SetPushEndpointPayload,
    SetPushEndpointResult,
    SetPushSettingsPayload,
    SetPushSettingsResult,
)
from schema.devices.push_settings import PushSettingsInput, QuietHoursInput
from schema.refusals import Refusal, answers_refusals, require_given


@strawberry.type
class PushQueries:
    @strawberry.field(
        description=(
            "The `applicationServerKey` for a browser's PushManager.subscribe, in base64url. "
            "Null if this server has no Web Push."
        )
    )
    def web_push_key(self, info: strawberry.Info) -> str | None:
        return context_of(info).resources.push.web_push_key


@strawberry.type
class PushMutations:
    @strawberry.mutation(
        description=(
            "Sets where this device receives pushes, and replaces its earlier endpoint; null "
            "deletes it. A token belongs to the device that set it last. The endpoint is "
            "deleted when the device signs out. For an e-mail address that the viewer has not "
            "confirmed, a code is sent to it; no digest goes there before `confirmPushEmail` "
            "returns the code. To have the code sent again, repeat this after a minute or "
            "later."
        ),
        graphql_type=SetPushEndpointResult,
    )
    @answers_refusals
    @spends("setting_changes_per_user")
    async def set_push_endpoint(
        self,
        info: strawberry.Info,
        input: Annotated[
            PushEndpointInput | None,
            strawberry.argument(
                description=(
                    "Exactly one endpoint, or null for none. Left out, it is INVALID_INPUT."
                )
            ),
        ] = strawberry.UNSET,
    ) -> SetPushEndpointPayload | Refusal:
        require_given(input, "input")
        context = context_of(info)
        viewer = context.require_viewer()
        resources = context.resources
        address = None if input is None else check_address(_address_of(input), resources.push)
        await set_endpoint(
            resources.database,
            viewer.user.id,
            viewer.device_id,
            address,
            limits=resources.limits,
            now=datetime.now(UTC),
        )
        return SetPushEndpointPayload(device=await _device_of(context, viewer))

    @strawberry.mutation(
        description=(
            "Confirms an e-mail address with the code that was sent to it. From then on digests "
            "go to this address, for those of the viewer's devices that have it as their "
            "endpoint. Each code can be tried 5 times. Safe to repeat."
        ),
        graphql_type=SetPushEndpointResult,
    )
    @answers_refusals
    @spends("setting_changes_per_user")
    async def confirm_push_email(
        self,
        info: strawberry.Info,
        address: Annotated[
            str,
            strawberry.argument(description="The e-mail address that was set as the endpoint."),
        ],
        code: Annotated[
            str, strawberry.argument(description="The code of 6 digits in the e-mail.")
        ],
    ) -> SetPushEndpointPayload | Refusal:
        context = context_of(info)
        viewer = context.require_viewer()
        resources = context.resources
        await confirm_mail(
            resources.database,
            resources.tokens,
            viewer.user.id,
            check_mail(address, "address"),
            code,
            now=datetime.now(UTC),
        )
        return SetPushEndpointPayload(device=await _device_of(context, viewer))

    @strawberry.mutation(
        description=(
            "Changes the push settings of this device. A field that is left out stays as it is."
        ),
        graphql_type=SetPushSettingsResult,
    )
    @answers_refusals
    @spends("setting_changes_per_user")
    async def set_push_settings(
        self,
        info: strawberry.Info,
        input: Annotated[PushSettingsInput, strawberry.argument(description="What to change.")],
    ) -> SetPushSettingsPayload | Refusal:
        context = context_of(info)
        viewer = context.require_viewer()
        changes = PushSettingsChanges(
            preview=given_setting(input.preview, "preview"),
            mentions_when_muted=given_setting(input.mentions_when_muted, "mentionsWhenMuted"),
            quiet_hours=_quiet_hours(input.quiet_hours),
        )
        await set_push_settings(
            context.resources.database, viewer.user.id, viewer.device_id, changes
        )
        return SetPushSettingsPayload(device=await _device_of(context, viewer))


async def _device_of(context: Context, viewer: Viewer) -> Device:
    """As it is now; the viewer's open streams are told.

    Raises:
        Refused: NOT_FOUND when it has just ended.
    """
    device = await find_device(context.resources.database, viewer, viewer.device_id)
    if device is None:
        raise not_found("There is no such device.")
    context.resources.live.announce([Signalled(ViewerChanged(), [viewer.user.id])])
    return device


def _address_of(input: PushEndpointInput) -> PushAddress:
    if input.fcm:
        return FcmAddress(input.fcm.token)
    if input.apns:
        return ApnsAddress(input.apns.token, input.apns.topic, input.apns.sandbox)
    if input.web_push:
        given = input.web_push
        return WebPushAddress(given.endpoint, given.p256dh, given.auth)
    if input.email:
        return EmailAddress(input.email.address)
    assert input.sms
    return SmsAddress(input.sms.phone_number)


def _quiet_hours(given: QuietHoursInput | None) -> QuietHours | None | UnsetType:
    if given is strawberry.UNSET:
        return UNSET
    if given is None:
        return None
    return parse_quiet_hours(given.from_, given.until, given.time_zone)
