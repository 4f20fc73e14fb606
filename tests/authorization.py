"""The table of test_authorization: who may ask what of whose ids.

The world: a group with an owner, an admin, a member, one who joined late and one who was removed;
a chat of the owner and somebody whom the owner then blocked; a stranger. Each row gets a world of
its own, in which the weakest ask first.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from tests.client import Json
from tests.groups import (
    ADD,
    INVITE_IN,
    JOIN,
    LEAVE,
    PREVIEW,
    REMOVE,
    REVOKE,
    SET_ROLE,
    UPDATE,
    make_group,
    make_invite,
    promote,
    remove,
)
from tests.make import ACKNOWLEDGE, OPEN_CHAT, REFUSAL, SEND, AnotherDevice, MakePerson, Person
from tests.uploading import PROFILE, create_upload, make_media, sent_media

# Weakest first. Signed out is nobody's column: it is refused everything.
ROLES = ("stranger", "blocked", "ex", "late", "member", "admin", "owner")
Ids = dict[str, str]


@dataclass(frozen=True, slots=True)
class World:
    people: dict[str, Person]
    ids: Ids


async def make_world(person: MakePerson, another_device: AnotherDevice) -> World:
    people = {role: await person(role) for role in ROLES}
    owner, admin, member = people["owner"], people["admin"], people["member"]
    victims = {role: await person(f"victim of {role}") for role in ROLES}
    group = await make_group(owner, admin, member, people["ex"], *victims.values())
    await promote(owner, group, admin)
    said = await owner.say(group, "findme in the group")
    await member.acknowledge(group, read=99)
    database = owner.server.app._process.resources.database
    pictures = [await make_media(database, owner) for _ in range(3)]
    await sent_media(owner, group, pictures[0])
    await owner.mutate(UPDATE, input={"groupId": group, "avatarMediaId": pictures[1]})
    await owner.mutate(PROFILE, input={"avatarMediaId": pictures[2]})
    await remove(owner, group, people["ex"])
    await owner.mutate(ADD, groupId=group, userIds=[people["late"].id])
    chat = await owner.open_chat(people["blocked"])
    in_chat = await people["blocked"].say(chat, "findme in the chat")
    await owner.mutate(
        "mutation ($id: ID!) { setBlocked(userId: $id, blocked: true) { __typename } }",
        id=people["blocked"].id,
    )
    ids = {
        "group": group,
        "chat": chat,
        "message": said["id"],
        "message of the chat": in_chat["id"],
        "membership": f"mbr_{group[4:]}_{owner.id[4:]}",
        "device": (await another_device(owner)).device_id,
        "user": owner.id,
        "token": await make_invite(owner, group),
        "media": pictures[0],
        "picture of the group": pictures[1],
        "picture of the owner": pictures[2],
        "upload": (await create_upload(owner))["media"]["id"],
    }
    for role in ROLES:
        ids[f"victim of {role}"] = victims[role].id
        ids[f"notes of {role}"] = await people[role].open_chat(people[role])
    return World(people, ids)


def unknown(global_id: str) -> str:
    """Return an id of the same type that nothing has; of an invite, a token that was never made."""
    if re.match(r"[a-z]{3}_[0-9a-f]{32}", global_id):
        return re.sub(r"[0-9a-f]{32}", lambda _: secrets.token_hex(16), global_id)
    return global_id[:-8] + secrets.token_hex(4)


# The variables, by the id that is asked about, the world's ids and who asks.
Variables = Callable[[str, Ids, str], Json]


@dataclass(frozen=True, slots=True)
class Row:
    """`outcomes`, role by role: y, it is done; f, FORBIDDEN; b, BLOCKED; i, INVALID_INPUT; m,
    MEDIA_NOT_READY; n, nothing is found; e, nothing is to be seen, to the byte as of what does not
    exist.
    """

    place: str
    target: str
    outcomes: str
    document: str
    variables: Variables = lambda id_, ids, role: {"id": id_}

    def __str__(self) -> str:
        return f"{self.place} of {self.target}"


def _payload(name: str, arguments: str, declared: str) -> str:
    return f"mutation ({declared}) {{ {name}({arguments}) {{ __typename {REFUSAL} }} }}"


_ID = "query ($id: ID!) { found: %s }"
_NODE = _ID % "node(id: $id) { __typename id }"
_NODES = "query ($id: ID!) { nodes(ids: [$id]) { __typename id } }"
_SEARCH = (
    """query ($id: ID!) { searchMessages(query: "findme", channelId: $id) { nodes { id } } }"""
)
_MUTE = _payload("muteChannel", "channelId: $id, until: null", "$id: ID!")
_TYPE = _payload("setTyping", "channelId: $id, typing: true", "$id: ID!")
_EDIT = _payload("editMessage", 'messageId: $id, text: "edited"', "$id: ID!")
_DELETE = _payload("deleteMessage", "messageId: $id", "$id: ID!")
_REACT = _payload("react", 'messageId: $id, emoji: "👍"', "$id: ID!")
_BLOCK = _payload("setBlocked", "userId: $id, blocked: true", "$id: ID!")
_REVOKE_DEVICE = _payload("revokeDevice", "deviceId: $id", "$id: ID!")
_REPORT = _payload("report", "input: $input", "$input: ReportInput!")
_CREATE = _payload("createGroup", "input: $input", "$input: CreateGroupInput!")
_COMPLETE = _payload("completeUpload", "mediaId: $id", "$id: ID!")


def _group(id_: str, ids: Ids, role: str) -> Json:
    return {"groupId": id_}


def _group_input(id_: str, ids: Ids, role: str) -> Json:
    return {"input": {"groupId": id_}}


def _renaming(id_: str, ids: Ids, role: str) -> Json:
    return {"input": {"groupId": id_, "name": f"of {role}"}}


def _victim(id_: str, ids: Ids, role: str) -> Json:
    return {"groupId": id_, "userId": ids[f"victim of {role}"], "role": "ADMIN"}


def _victims(id_: str, ids: Ids, role: str) -> Json:
    return {"groupId": id_, "userIds": [ids[f"victim of {role}"]]}


def _token(id_: str, ids: Ids, role: str) -> Json:
    return {"token": id_}


def _picture(id_: str, ids: Ids, role: str) -> Json:
    return {"input": {"avatarMediaId": id_}}


def _draft(role: str, channel_id: str, **more: object) -> Json:
    return {
        "input": {"channelId": channel_id, "clientMessageId": f"of {role}", "text": "hi"} | more
    }


def _said(id_: str, ids: Ids, role: str) -> Json:
    return _draft(role, id_)


def in_the_group(role: str) -> bool:
    return role in ("late", "member", "admin", "owner")


def _reply(id_: str, ids: Ids, role: str) -> Json:
    channel_id = ids["group" if in_the_group(role) else f"notes of {role}"]
    return _draft(role, channel_id, replyToId=id_)


def _mention(id_: str, ids: Ids, role: str) -> Json:
    channel_id = ids["group" if in_the_group(role) else f"notes of {role}"]
    return _draft(role, channel_id, mentions=[id_])


def _positions(kind: str) -> Variables:
    return lambda id_, ids, role: {"input": {kind: [{"channelId": id_, "seq": 1}]}}


#      who:      s  stranger, b  blocked, e  ex, l  late, m  member, a  admin, o  owner
ROWS = [  #                                                     sbelmao
    Row("node.id", "group", "eeeyyyy", _NODE),
    Row("node.id", "chat", "eyeeeey", _NODE),
    Row("node.id", "message", "eeeeyyy", _NODE),
    Row("node.id", "message of the chat", "eyeeeey", _NODE),
    Row("node.id", "membership", "eeeyyyy", _NODE),
    Row("node.id", "device", "eeeeeey", _NODE),
    Row("node.id", "user", "yyyyyyy", _NODE),
    Row("node.id", "media", "eeeeyyy", _NODE),
    Row("node.id", "picture of the group", "eeeyyyy", _NODE),
    Row("node.id", "picture of the owner", "yyyyyyy", _NODE),
    Row("node.id", "upload", "eeeeeey", _NODE),
    Row("nodes.ids", "media", "eeeeyyy", _NODES),
    Row("nodes.ids", "group", "eeeyyyy", _NODES),
    Row("nodes.ids", "message", "eeeeyyy", _NODES),
    Row("nodes.ids", "membership", "eeeyyyy", _NODES),
    Row("nodes.ids", "device", "eeeeeey", _NODES),
    Row("upload.mediaId", "upload", "eeeeeey", _ID % "upload(mediaId: $id) { expiresAt }"),
    Row("upload.mediaId", "media", "eeeeeey", _ID % "upload(mediaId: $id) { expiresAt }"),
    Row("completeUpload.mediaId", "upload", "eeeeeem", _COMPLETE),
    Row("completeUpload.mediaId", "media", "eeeeeey", _COMPLETE),
    Row("user.id", "user", "yyyyyyy", _ID % "user(id: $id) { id }"),
    Row("channel.id", "group", "eeeyyyy", _ID % "channel(id: $id) { id lastMessage { id } }"),
    Row("channel.id", "chat", "eyeeeey", _ID % "channel(id: $id) { id messages { nodes { id } } }"),
    Row("groupInvite.token", "token", "yyyyyyy", PREVIEW, _token),
    Row("searchMessages.channelId", "group", "eeenyyy", _SEARCH),
    Row("searchMessages.channelId", "chat", "eyeeeey", _SEARCH),
    Row("revokeDevice.deviceId", "device", "eeeeeey", _REVOKE_DEVICE),
    Row("openChat.userId", "user", "yyyyyyy", OPEN_CHAT, lambda id_, *_: {"userId": id_}),
    Row("acknowledge.input.delivered.channelId", "group", "eeeyyyy", ACKNOWLEDGE,
        _positions("delivered")),
    Row("acknowledge.input.delivered.channelId", "chat", "eyeeeey", ACKNOWLEDGE,
        _positions("delivered")),
    Row("acknowledge.input.read.channelId", "group", "eeeyyyy", ACKNOWLEDGE, _positions("read")),
    Row("acknowledge.input.storedMediaIds", "media", "eeeeeee", ACKNOWLEDGE,
        lambda id_, *_: {"input": {"storedMediaIds": [id_]}}),
    Row("updateProfile.input.avatarMediaId", "media", "eeeeyyy", PROFILE, _picture),
    Row("createGroup.input.avatarMediaId", "media", "eeeeyyy", _CREATE,
        lambda id_, *_: {"input": {"name": "New", "memberIds": [], "avatarMediaId": id_}}),
    Row("updateGroup.input.avatarMediaId", "media", "eeeefyy", UPDATE,
        lambda id_, ids, role: {"input": {"groupId": ids["group"], "avatarMediaId": id_}}),
    Row("sendMessage.input.mediaIds", "media", "eeeeyyy", SEND,
        lambda id_, ids, role: _draft(role, ids[f"notes of {role}"], mediaIds=[id_])),
    Row("sendMessage.input.mediaIds", "upload", "eeeeeem", SEND,
        lambda id_, ids, role: _draft(role, ids[f"notes of {role}"], mediaIds=[id_])),
    Row("muteChannel.channelId", "group", "eeeyyyy", _MUTE),
    Row("muteChannel.channelId", "chat", "eyeeeey", _MUTE),
    Row("createGroup.input.memberIds", "user", "yfyyyyy", _CREATE,
        lambda id_, *_: {"input": {"name": "New", "memberIds": [id_]}}),
    Row("updateGroup.input.groupId", "group", "eeeffyy", UPDATE, _renaming),
    Row("updateGroup.input.groupId", "chat", "eeeeeee", UPDATE, _renaming),
    Row("joinGroup.input.inviteToken", "token", "yyyyyyy", JOIN,
        lambda id_, *_: {"input": {"inviteToken": id_}}),
    Row("leaveGroup.groupId", "group", "eeeyyyy", LEAVE, _group),
    Row("leaveGroup.groupId", "chat", "eeeeeee", LEAVE, _group),
    Row("addMembers.groupId", "group", "eeeffyy", ADD, _victims),
    Row("addMembers.userIds", "user", "eeeffyy", ADD,
        lambda id_, ids, role: {"groupId": ids["group"], "userIds": [id_]}),
    Row("removeMember.groupId", "group", "eeeffyy", REMOVE, _victim),
    Row("removeMember.userId", "user", "eeefffi", REMOVE,
        lambda id_, ids, role: {"groupId": ids["group"], "userId": id_}),
    Row("setMemberRole.groupId", "group", "eeefffy", SET_ROLE, _victim),
    Row("setMemberRole.userId", "user", "eeefffy", SET_ROLE,
        lambda id_, ids, role: {"groupId": ids["group"], "userId": id_, "role": "OWNER"}),
    Row("createGroupInvite.input.groupId", "group", "eeeffyy", INVITE_IN, _group_input),
    Row("revokeGroupInvite.token", "token", "eeeffyy", REVOKE, _token),
    Row("sendMessage.input.channelId", "group", "eeeyyyy", SEND, _said),
    Row("sendMessage.input.channelId", "chat", "ebeeeeb", SEND, _said),
    Row("sendMessage.input.replyToId", "message", "eeeeyyy", SEND, _reply),
    Row("sendMessage.input.mentions", "user", "eeeyyyy", SEND, _mention),
    Row("editMessage.messageId", "message", "eeeeffy", _EDIT),
    Row("editMessage.messageId", "message of the chat", "ebeeeef", _EDIT),
    Row("deleteMessage.messageId", "message", "eeeefyy", _DELETE),
    Row("deleteMessage.messageId", "message of the chat", "eyeeeef", _DELETE),
    Row("react.messageId", "message", "eeeeyyy", _REACT),
    Row("react.messageId", "message of the chat", "ebeeeeb", _REACT),
    Row("setBlocked.userId", "user", "yyyyyyi", _BLOCK),
    Row("report.input.userId", "user", "yyyyyyy", _REPORT,
        lambda id_, *_: {"input": {"userId": id_, "reason": "x"}}),
    Row("report.input.messageId", "message", "eeeeyyy", _REPORT,
        lambda id_, *_: {"input": {"messageId": id_, "reason": "x"}}),
    Row("setTyping.channelId", "group", "eeeyyyy", _TYPE),
    Row("setTyping.channelId", "chat", "ebeeeeb", _TYPE),
]  # fmt: skip

# Subscriptions: y, they follow it.
FOLLOWED = [  #                                                       sbelmao
    Row("messageAdded.channelId", "group", "eeeyyyy",
        "subscription ($id: ID!) { messageAdded(channelId: $id) { id } }"),
    Row("messageAdded.channelId", "chat", "eyeeeey",
        "subscription ($id: ID!) { messageAdded(channelId: $id) { id } }"),
    Row("receiptUpdated.channelId", "group", "eeeyyyy",
        "subscription ($id: ID!) { receiptUpdated(channelId: $id) { userId } }"),
    Row("typingUpdated.channelId", "group", "eeeyyyy",
        "subscription ($id: ID!) { typingUpdated(channelId: $id) { userId } }"),
]  # fmt: skip

# Places of ids without a row, and why.
EXEMPT = {
    "sendMessage.input.clientMessageId": "made by the client",
    "createGroup.input.clientGroupId": "made by the client",
    "inbox.streamId": "made by the client, and the device's own: test_kept_streams",
    "acknowledge.input.streamId": "made by the client, and the device's own: test_kept_streams",
    "presence.userIds": "a user's privacy decides: test_presence",
    "setPushEndpoint.input.apns.token": "a provider's: test_push_endpoints",
    "setPushEndpoint.input.fcm.token": "a provider's: test_push_endpoints",
    "inbox.after.channelId": "what may not be seen is passed over: test_a_position_of_another…",
}
