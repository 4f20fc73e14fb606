"""Cases of what is the viewer's own: positions, mutes, profile, privacy, blocks and devices."""

from typing import Any

from clients.python.reducer import Json
from tests.make import ACKNOWLEDGE, REFUSAL, Person
from tests.snapshots.world import Cases, World, picture_of

CASES = Cases()
case = CASES.case

_BLOCK = f"""mutation ($id: ID!, $blocked: Boolean!) {{
    setBlocked(userId: $id, blocked: $blocked) {{ __typename {REFUSAL} }} }}"""
_PROFILE = f"""mutation ($input: UpdateProfileInput!) {{ updateProfile(input: $input) {{
    __typename {REFUSAL} }} }}"""
_PRIVACY = f"""mutation ($input: UpdatePrivacyInput!) {{ updatePrivacy(input: $input) {{
    __typename {REFUSAL} }} }}"""
_MUTE = f"""mutation ($id: ID!, $until: DateTime) {{ muteChannel(channelId: $id, until: $until) {{
    __typename {REFUSAL} }} }}"""
_SIGN_OUT = f"mutation {{ signOut {{ __typename {REFUSAL} }} }}"
_REVOKE_DEVICE = f"""mutation ($id: ID!) {{ revokeDevice(deviceId: $id) {{
    __typename {REFUSAL} }} }}"""


async def _acknowledge(person: Person, *moves: tuple[str, str, int]) -> Any:
    positions: dict[str, list[Json]] = {"delivered": [], "read": []}
    for kind, channel_id, seq in moves:
        positions[kind].append({"channelId": channel_id, "seq": seq})
    answer: Json = await person.mutate(ACKNOWLEDGE, input=positions)
    return answer


@case("acknowledge", "max", "all of two channels is read")
async def _(w: World) -> Any:
    return await _acknowledge(w.max, ("read", w.group, 99), ("read", w.chat, 99))


@case("acknowledge", "max", "received, and some read")
async def _(w: World) -> Any:
    seq = w.messages["new"]["seq"]
    return await _acknowledge(w.max, ("delivered", w.group, 99), ("read", w.group, seq))


async def _received(w: World) -> None:
    await _acknowledge(w.max, ("delivered", w.group, 99))


@case("acknowledge", "lea", "the last to receive what Olga said", prepare=_received)
async def _(w: World) -> Any:
    return await _acknowledge(w.lea, ("read", w.group, 99))


@case("muteChannel", "max")
async def _(w: World) -> Any:
    return await w.max.mutate(_MUTE, id=w.group, until="9999-12-31T00:00:00.000Z")


@case("updateProfile", "max")
async def _(w: World) -> Any:
    return await w.max.mutate(_PROFILE, input={"name": "Maximilian", "about": "here"})


@case("updateProfile", "max", "a picture")
async def _(w: World) -> Any:
    return await w.max.mutate(_PROFILE, input={"avatarMediaId": await picture_of(w.max)})


@case("updatePrivacy")
async def _(w: World) -> Any:
    return await w.olga.mutate(_PRIVACY, input={"lastSeen": "NOBODY", "addToGroups": "CONTACTS"})


async def _all_read(w: World) -> None:
    await _acknowledge(w.max, ("read", w.chat, 99))
    await _acknowledge(w.olga, ("read", w.chat, 99))


@case("updatePrivacy", note="hides reading", prepare=_all_read, tells_status=False)
async def _(w: World) -> Any:
    return await w.olga.mutate(_PRIVACY, input={"readReceipts": False})


@case("setBlocked", note="blocks")
async def _(w: World) -> Any:
    return await w.olga.mutate(_BLOCK, id=w.max.id, blocked=True)


async def _block(w: World) -> None:
    await w.olga.mutate(_BLOCK, id=w.max.id, blocked=True)


@case("setBlocked", note="no longer", prepare=_block)
async def _(w: World) -> Any:
    return await w.olga.mutate(_BLOCK, id=w.max.id, blocked=False)


@case("signOut", "max")
async def _(w: World) -> Any:
    assert w.another_device is not None
    return await (await w.another_device(w.max)).mutate(_SIGN_OUT)


@case("revokeDevice", "max")
async def _(w: World) -> Any:
    assert w.another_device is not None
    lost = await w.another_device(w.max)
    return await w.max.mutate(_REVOKE_DEVICE, id=lost.device_id)
