"""Devices: the viewer's list of signed-in devices, and how to sign one out."""

from datetime import UTC, datetime
from typing import Annotated

import strawberry

from models import ids
from models.devices import devices
from models.devices.devices import list_devices, revoke_device
from models.log.signals import Signalled, ViewerChanged
from models.refusals import not_found
from schema.budgets import spends
from schema.context import Context, context_of
from schema.devices.devices import Device, RevokeDevicePayload, RevokeDeviceResult
from schema.refusals import Refusal, answers_refusals


async def _sign_out(context: Context, user_id: str, device_id: str) -> RevokeDevicePayload:
    await revoke_device(context.resources.database, user_id, device_id)
    context.resources.sessions.forget(device_id)
    context.resources.live.announce([Signalled(ViewerChanged(), [user_id])])
    return RevokeDevicePayload(device_id=strawberry.ID(ids.device_global_id(device_id)))


@strawberry.type
class DeviceQueries:
    @strawberry.field(
        name="devices",
        description="The viewer's signed-in devices: this one first, then the last active first.",
        graphql_type=list[Device],
    )
    async def list_devices(self, info: strawberry.Info) -> list[devices.Device]:
        context = context_of(info)
        viewer = context.require_viewer()
        return await list_devices(
            context.resources.database,
            viewer,
            limits=context.resources.limits,
            now=datetime.now(UTC),
        )


@strawberry.type
class DeviceMutations:
    @strawberry.mutation(
        description="Ends this session. Its sockets close, and its push endpoint is deleted.",
        graphql_type=RevokeDeviceResult,
    )
    @answers_refusals
    @spends("setting_changes_per_user")
    async def sign_out(self, info: strawberry.Info) -> RevokeDevicePayload | Refusal:
        context = context_of(info)
        viewer = context.require_viewer()
        return await _sign_out(context, viewer.user.id, viewer.device_id)

    @strawberry.mutation(
        description=(
            "Signs out one of the viewer's own devices. Its sockets close within 2 s, and its "
            "tokens are refused."
        ),
        graphql_type=RevokeDeviceResult,
    )
    @answers_refusals
    @spends("setting_changes_per_user")
    async def revoke_device(
        self,
        info: strawberry.Info,
        device_id: Annotated[
            strawberry.ID, strawberry.argument(description="The id of a device in `devices`.")
        ],
    ) -> RevokeDevicePayload | Refusal:
        context = context_of(info)
        viewer = context.require_viewer()
        inner_id = ids.parse_plain("dev", device_id)
        if inner_id is None:
            raise not_found("There is no such device.", "deviceId")
        return await _sign_out(context, viewer.user.id, inner_id)
