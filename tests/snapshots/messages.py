"""Cases of messages: sending, editing, deleting and reacting."""

from typing import Any

from models.log.media_changes import tell_of_media
from models.media.media import MediaState
from tests.changes import DELETE, EDIT, REACT
from tests.snapshots.world import Cases, World, picture_of
from tests.uploading import send_media, sent_media, set_state, upload

CASES = Cases()
case = CASES.case


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
    pictures = [await picture_of(w.olga), await upload(w.olga)]
    return await send_media(w.olga, w.group, *pictures, text="Look")


@case("sendMessage", "max", "a file that another sent")
async def _(w: World) -> Any:
    picture = await picture_of(w.olga)
    await sent_media(w.olga, w.chat, picture)
    return await send_media(w.max, w.group, picture)


@case("sendMessage", "max", "a file that gets ready", also=("completeUpload",))
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


@case("deleteMessage", note="with a file", also=("sendMessage",))
async def _(w: World) -> Any:
    message = await sent_media(w.olga, w.group, await picture_of(w.olga))
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
