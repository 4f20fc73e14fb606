"""The table of test_snapshots: one world of people, and for each mutation of the schema what
somebody in it does.

The world: a group that Olga owns, in which Max is a member, Lea joined late and Eva was removed;
Nora is in no group. Olga and Max have a chat. Who acts has a second device.
"""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from examples.reducer import Json
from models.log.media_changes import tell_of_media
from models.media.media import MediaState
from tests.changes import DELETE, EDIT, REACT
from tests.groups import (
    ADD,
    CREATE,
    INVITE_IN,
    JOIN,
    LEAVE,
    REMOVE,
    REVOKE,
    SET_ROLE,
    UPDATE,
    make_group,
    make_invite,
    promote,
    remove,
)
from tests.make import ACKNOWLEDGE, OPEN_CHAT, REFUSAL, AnotherDevice, MakePerson, Person
from tests.uploading import make_media, send_media, sent_media, set_state, upload

# Mutations without a case, and why.
EXEMPT = {
    "requestCode": "sends a code; changes nothing that anybody sees",
    "signIn": "makes a device of its own; test_viewer_state tells the others of it",
    "refreshSession": "changes the tokens of a device only",
    "setTyping": "is stored nowhere",
    "report": "is seen by nobody",
    "setPushEndpoint": "is the device's alone, and no snapshot's: test_push_endpoints",
    "confirmPushEmail": "is the device's alone, and no snapshot's: test_push_endpoints",
    "setPushSettings": "is the device's alone, and no snapshot's: test_push_endpoints",
    "createUpload": "is its owner's alone until it is sent: test_uploads",
    "completeUpload": "is its owner's alone until it is sent: test_uploads",
}

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


@dataclass(slots=True)
class World:
    olga: Person  # owner
    max: Person  # member
    lea: Person  # joined later
    eva: Person  # ex-member
    nora: Person  # stranger
    group: str
    chat: str
    # Messages of the group by what they are.
    messages: dict[str, Json] = field(default_factory=dict)
    another_device: AnotherDevice | None = None

    @property
    def people(self) -> list[Person]:
        return [self.olga, self.max, self.lea, self.eva, self.nora]


async def make_world(person: MakePerson, another_device: AnotherDevice) -> World:
    names = ("Olga", "Max", "Lea", "Eva", "Nora")
    olga, max_, lea, eva, nora = [await person(name) for name in names]
    group = await make_group(olga, max_, eva)
    chat = await olga.open_chat(max_)
    world = World(olga, max_, lea, eva, nora, group, chat, another_device=another_device)
    said = world.messages
    said["old"] = await olga.say(group, "old")
    said["old of max"] = await max_.say(group, "old of max")
    await eva.say(group, "from eva")
    await max_.mutate(REACT, id=said["old"]["id"], emoji="👍")
    await remove(olga, group, eva)
    added = await olga.mutate(ADD, groupId=group, userIds=[lea.id])
    assert added["__typename"] == "GroupPayload", added
    said["new"] = await olga.say(group, "new", mentions=[max_.id])
    said["new of max"] = await max_.say(group, "new of max", replyToId=said["old"]["id"])
    said["of lea"] = await lea.say(group, "of lea", replyToId=said["new"]["id"])
    await lea.mutate(REACT, id=said["new"]["id"], emoji="🎉")
    said["chat"] = await olga.say(chat, "in the chat")
    said["chat of max"] = await max_.say(chat, "in the chat, of max")
    await lea.acknowledge(group, delivered=8)
    return world


# Does it, and gives the payload.
Act = Callable[[World], Awaitable[Any]]
Prepare = Callable[[World], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Case:
    mutation: str
    note: str
    # A name of the world.
    actor: str
    act: Act
    prepare: Prepare | None = None
    # What others see of one's own messages follows no event; as of the fetch.
    tells_status: bool = True

    def __str__(self) -> str:
        return f"{self.mutation}: {self.note}" if self.note else self.mutation


CASES: list[Case] = []


def case(
    mutation: str,
    actor: str = "olga",
    note: str = "",
    prepare: Prepare | None = None,
    tells_status: bool = True,
) -> Callable[[Act], Act]:
    def add(act: Act) -> Act:
        CASES.append(Case(mutation, note, actor, act, prepare, tells_status))
        return act

    return add


# -------------------------------------------------------------------- messages


@case("sendMessage", note="a text")
async def _(w: World) -> Any:
    return await w.olga.send(w.olga.draft(w.group, "hello"))


@case("sendMessage", "max", "a reply to what is older than Lea")
async def _(w: World) -> Any:
    reply_to = w.messages["old"]["id"]
    return await w.max.send(w.max.draft(w.group, "hello", replyToId=reply_to, mentions=[w.lea.id]))


@case("sendMessage", "lea", "a place")
async def _(w: World) -> Any:
    place = {"latitude": 1.5, "longitude": -2.25, "label": "Here"}
    return await w.lea.send(w.lea.draft(w.group, location=place))


@case("sendMessage", "max", "in a chat")
async def _(w: World) -> Any:
    return await w.max.send(w.max.draft(w.chat, "hello"))


@case("sendMessage", "nora", "the first of a chat")
async def _(w: World) -> Any:
    return await w.nora.send(w.nora.draft(await w.nora.open_chat(w.max), "hello"))


@case("sendMessage", note="files")
async def _(w: World) -> Any:
    pictures = [await _picture(w.olga), await upload(w.olga)]
    return await send_media(w.olga, w.group, *pictures, text="Look")


@case("sendMessage", "max", "a file that another sent")
async def _(w: World) -> Any:
    picture = await _picture(w.olga)
    await sent_media(w.olga, w.chat, picture)
    return await send_media(w.max, w.group, picture)


@case("sendMessage", "max", "a file that gets ready")
async def _(w: World) -> Any:
    media_id = await upload(w.max)
    sent = await send_media(w.max, w.group, media_id)
    resources = w.max.server.app._process.resources
    await set_state(resources.database, media_id, MediaState.READY)
    await tell_of_media(resources.database, resources.publish, media_id.removeprefix("med_"))
    return sent


@case("sendMessage", note="again")
async def _(w: World) -> Any:
    draft = w.olga.draft(w.group, "twice")
    await w.olga.send(draft)
    return await w.olga.send(draft)


async def _picture(person: Person) -> str:
    """The id of a picture that is ready."""
    return await make_media(person.server.app._process.resources.database, person)


@case("editMessage", "max")
async def _(w: World) -> Any:
    return await w.max.mutate(EDIT, id=w.messages["new of max"]["id"], text="edited")


@case("editMessage", note="what is older than Lea")
async def _(w: World) -> Any:
    return await w.olga.mutate(EDIT, id=w.messages["old"]["id"], text="edited")


@case("deleteMessage", "lea", "one's own")
async def _(w: World) -> Any:
    return await w.lea.mutate(DELETE, id=w.messages["of lea"]["id"])


@case("deleteMessage", note="another's, which others reply to")
async def _(w: World) -> Any:
    return await w.olga.mutate(DELETE, id=w.messages["new of max"]["id"])


@case("deleteMessage", note="with a file")
async def _(w: World) -> Any:
    message = await sent_media(w.olga, w.group, await _picture(w.olga))
    return await w.olga.mutate(DELETE, id=message["id"])


@case("deleteMessage", "max", "older than Lea")
async def _(w: World) -> Any:
    return await w.max.mutate(DELETE, id=w.messages["old of max"]["id"])


@case("react", "max")
async def _(w: World) -> Any:
    return await w.max.mutate(REACT, id=w.messages["new"]["id"], emoji="👍")


@case("react", "max", "another emoji, older than Lea")
async def _(w: World) -> Any:
    return await w.max.mutate(REACT, id=w.messages["old"]["id"], emoji="❤️")


@case("react", "lea", "taken back")
async def _(w: World) -> Any:
    return await w.lea.mutate(REACT, id=w.messages["new"]["id"], emoji=None)


@case("react", note="in a chat")
async def _(w: World) -> Any:
    return await w.olga.mutate(REACT, id=w.messages["chat of max"]["id"], emoji="👍")


# -------------------------------------------------------------------- what is the viewer's own


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
    return await w.max.mutate(_PROFILE, input={"avatarMediaId": await _picture(w.max)})


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


# -------------------------------------------------------------------- groups


@case("openChat", "nora")
async def _(w: World) -> Any:
    return await w.nora.mutate(OPEN_CHAT, userId=w.olga.id)


_client_ids = itertools.count(1)


@case("createGroup", "max")
async def _(w: World) -> Any:
    return await w.max.mutate(
        CREATE,
        input={
            "name": "Another",
            "memberIds": [w.olga.id, w.eva.id],
            "clientGroupId": f"group-{next(_client_ids)}",
        },
    )


@case("updateGroup", note="its name")
async def _(w: World) -> Any:
    return await w.olga.mutate(UPDATE, input={"groupId": w.group, "name": "Climbers"})


@case("updateGroup", note="its description")
async def _(w: World) -> Any:
    return await w.olga.mutate(UPDATE, input={"groupId": w.group, "description": "We climb"})


@case("updateGroup", note="its picture")
async def _(w: World) -> Any:
    picture = await _picture(w.olga)
    return await w.olga.mutate(UPDATE, input={"groupId": w.group, "avatarMediaId": picture})


@case("joinGroup", "nora")
async def _(w: World) -> Any:
    token = await make_invite(w.olga, w.group)
    return await w.nora.mutate(JOIN, input={"inviteToken": token})


@case("joinGroup", "eva", "again")
async def _(w: World) -> Any:
    token = await make_invite(w.olga, w.group)
    return await w.eva.mutate(JOIN, input={"inviteToken": token})


@case("leaveGroup", "max")
async def _(w: World) -> Any:
    return await w.max.mutate(LEAVE, groupId=w.group)


@case("leaveGroup", note="the last owner")
async def _(w: World) -> Any:
    return await w.olga.mutate(LEAVE, groupId=w.group)


@case("addMembers")
async def _(w: World) -> Any:
    return await w.olga.mutate(ADD, groupId=w.group, userIds=[w.nora.id, w.eva.id])


@case("removeMember")
async def _(w: World) -> Any:
    return await w.olga.mutate(REMOVE, groupId=w.group, userId=w.max.id)


@case("removeMember", note="and in again")
async def _(w: World) -> Any:
    await remove(w.olga, w.group, w.max)
    await w.olga.say(w.group, "without Max")
    return await w.olga.mutate(ADD, groupId=w.group, userIds=[w.max.id])


@case("setMemberRole")
async def _(w: World) -> Any:
    return await w.olga.mutate(SET_ROLE, groupId=w.group, userId=w.lea.id, role="ADMIN")


async def _promote(w: World) -> None:
    await promote(w.olga, w.group, w.max, "OWNER")


@case("setMemberRole", "max", "of an owner", prepare=_promote)
async def _(w: World) -> Any:
    return await w.max.mutate(SET_ROLE, groupId=w.group, userId=w.olga.id, role="MEMBER")


@case("createGroupInvite")
async def _(w: World) -> Any:
    return await w.olga.mutate(INVITE_IN, input={"groupId": w.group})


@case("revokeGroupInvite")
async def _(w: World) -> Any:
    return await w.olga.mutate(REVOKE, token=await make_invite(w.olga, w.group))
