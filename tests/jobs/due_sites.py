"""Everything that makes a job due: what a client does, and the kind of the job."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from models import ids
from tests.api.media.test_avatars import set_group_picture, set_picture
from tests.api.media.test_paths import STORED
from tests.api.users.test_push_endpoints import EMAIL, FCM, SET_ENDPOINT, SET_SETTINGS
from tests.changes import DELETE
from tests.client import Json
from tests.groups import make_group
from tests.jobs.apart import Apart
from tests.make import Person
from tests.uploading import PNG, complete, create_upload, make_media, put_all, sent_media
from tests.waiting import eventually

# What a client does at last; it returns the payload.
Act = Callable[[], Awaitable[Json]]


@dataclass(frozen=True)
class Site:
    """`prepare` does what comes before, and returns the act that makes a job of `kind` due."""

    kind: str
    prepare: Callable[[Apart, Person, Person], Awaitable[Act]]


async def _upload(ground: Apart, alice: Person, bob: Person) -> Act:
    ticket = await create_upload(alice)
    await put_all(alice, ticket, PNG)
    return lambda: complete(alice, ticket["media"]["id"])


async def _deletion(ground: Apart, alice: Person, bob: Person) -> Act:
    media_id = await make_media(ground.database, alice)
    message = await sent_media(alice, await alice.open_chat(bob), media_id)
    return lambda: alice.mutate(DELETE, id=message["id"])


async def _picture(ground: Apart, alice: Person, bob: Person) -> Act:
    await set_picture(alice, await make_media(ground.database, alice))
    return lambda: set_picture(alice, None)


async def _group_picture(ground: Apart, alice: Person, bob: Person) -> Act:
    group_id = await make_group(alice)
    await set_group_picture(alice, group_id, await make_media(ground.database, alice))
    return lambda: set_group_picture(alice, group_id, None)


async def _stored(ground: Apart, alice: Person, bob: Person) -> Act:
    media_id = await make_media(ground.database, alice)
    await sent_media(alice, await alice.open_chat(bob), media_id)
    return lambda: bob.mutate(STORED, input={"storedMediaIds": [media_id]})


async def _mail(ground: Apart, alice: Person, bob: Person) -> Act:
    return lambda: alice.mutate(SET_ENDPOINT, input=EMAIL)


async def _message(ground: Apart, alice: Person, bob: Person) -> Act:
    await bob.mutate(SET_ENDPOINT, input=FCM)
    chat = await alice.open_chat(bob)
    return lambda: alice.send(alice.draft(chat, "hello"))


async def _pushed(ground: Apart, alice: Person, bob: Person) -> str:
    """Push a message to Bob, and let its job end. Return the chat."""
    act = await _message(ground, alice, bob)
    await act()
    await eventually(lambda: _has(ground, ["push_fcm"]))
    await eventually(ground.is_all_queued)
    await ground.queue.execute("DELETE FROM jobs")
    return await alice.open_chat(bob)


async def _has(ground: Apart, kinds: list[str]) -> bool:
    return await ground.kinds() == kinds


async def _read(ground: Apart, alice: Person, bob: Person) -> Act:
    chat = await _pushed(ground, alice, bob)
    seq: int = await ground.database.fetchval(
        "UPDATE push_states SET shown_seq = wanted_seq, due_at = NULL WHERE channel_id = $1 "
        "RETURNING wanted_seq",
        ids.parse_plain("chn", chat),
    )

    async def read() -> Json:
        return {"__typename": "read", "positions": await bob.acknowledge(chat, read=seq)}

    return read


async def _quiet_hours(ground: Apart, alice: Person, bob: Person) -> Act:
    await _pushed(ground, alice, bob)
    await ground.database.execute("UPDATE push_states SET due_at = now() + interval '1 h'")
    return lambda: bob.mutate(SET_SETTINGS, input={"quietHours": None})


SITES = {
    "an upload is completed": Site("media_render", _upload),
    "a message with a file is deleted": Site("media_release", _deletion),
    "a picture is taken away": Site("media_release", _picture),
    "a group's picture is taken away": Site("media_release", _group_picture),
    "a file is stored": Site("media_delivered", _stored),
    "a mail address is named": Site("push_mail_code", _mail),
    "a message is sent to somebody away": Site("push_fcm", _message),
    "a message is read that is shown": Site("push_fcm", _read),
    "quiet hours are ended": Site("push_fcm", _quiet_hours),
}
