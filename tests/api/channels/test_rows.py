"""What a row of a list shows comes with one fragment on Channel, and one on Media."""

from models.media.media import MediaKind
from models.media.renditions import Rendition, RenditionName, encode_renditions
from models.postgresql.database import Database
from tests.changes import DELETE
from tests.groups import ADD, UPDATE, make_group
from tests.make import Person
from tests.uploading import PROFILE, make_media

ROW = """query ($id: ID!) { channel(id: $id) { __typename id title memberCount
    picture { id thumbnail { name url } preview { url } isAnimated } } }"""
MEDIA = """query ($id: ID!) { node(id: $id) { ... on Media { isAnimated
    thumbnail { name width } preview { name width } } } }"""
REPLIES = """query ($id: ID!) { channel(id: $id) { messages { nodes { seq replyToId
    replyTo { id } } } } }"""


async def row(person: Person, channel_id: str) -> tuple[str, int, str | None]:
    """(title, memberCount, the picture's id)."""
    found = (await person.query(ROW, id=channel_id))["channel"]
    return found["title"], found["memberCount"], found["picture"] and found["picture"]["id"]


async def test_a_chat_is_shown_as_the_other_person(
    alice: Person, bob: Person, chat: str, database: Database
) -> None:
    picture = await make_media(database, bob)
    await bob.mutate(PROFILE, input={"avatarMediaId": picture, "name": "Robert"})
    notes = await alice.open_chat(alice)

    assert await row(alice, chat) == ("Robert", 2, picture)
    assert await row(bob, chat) == ("Alice", 2, None)
    assert await row(alice, notes) == ("Alice", 1, None)


async def test_a_group_is_shown_as_itself_to_everybody(
    alice: Person, bob: Person, carol: Person, database: Database
) -> None:
    group = await make_group(alice, bob)
    picture = await make_media(database, alice)
    await alice.mutate(UPDATE, input={"groupId": group, "avatarMediaId": picture})
    await alice.mutate(ADD, groupId=group, userIds=[carol.id])

    for person in (alice, bob, carol):
        assert await row(person, group) == ("Hikers", 3, picture)
    found = (await bob.query(ROW, id=group))["channel"]["picture"]
    assert found["thumbnail"]["name"] == "THUMBNAIL"
    assert found["thumbnail"]["url"].startswith("http")
    assert (found["preview"], found["isAnimated"]) == (None, False)


async def test_renditions_are_found_by_their_names(alice: Person, database: Database) -> None:
    forms = {
        "still": (MediaKind.IMAGE, (RenditionName.THUMBNAIL, RenditionName.PREVIEW)),
        "moving": (
            MediaKind.IMAGE,
            (RenditionName.FULL, RenditionName.PREVIEW, RenditionName.THUMBNAIL),
        ),
        "film": (MediaKind.VIDEO, (RenditionName.FULL, RenditionName.THUMBNAIL)),
        "file": (MediaKind.FILE, (RenditionName.ORIGINAL,)),
    }
    found = {}
    for name, (kind, renditions) in forms.items():
        media_id = await make_media(database, alice, kind=kind)
        stored = [
            Rendition(each, f"media/{media_id}/{each}", "image/webp", 99, width=each * 100)
            for each in renditions
        ]
        await database.execute(
            "UPDATE media SET renditions = $2 WHERE id = $1",
            media_id[4:],
            encode_renditions(stored),
        )
        seen = (await alice.query(MEDIA, id=media_id))["node"]
        for each in ("thumbnail", "preview"):
            if seen[each] is not None:
                assert seen[each].pop("name") == each.upper()
        found[name] = seen

    small, large = {"width": 100}, {"width": 200}
    assert found == {
        "still": {"isAnimated": False, "thumbnail": small, "preview": large},
        "moving": {"isAnimated": True, "thumbnail": small, "preview": large},
        "film": {"isAnimated": False, "thumbnail": small, "preview": None},
        "file": {"isAnimated": False, "thumbnail": None, "preview": None},
    }


async def test_what_is_replied_to_has_an_id_though_it_may_not_be_seen(
    alice: Person, bob: Person, carol: Person
) -> None:
    group = await make_group(alice, bob)
    old = await alice.say(group, "before Carol")
    await alice.mutate(ADD, groupId=group, userIds=[carol.id])
    await bob.say(group, "a reply", replyToId=old["id"])
    await bob.mutate(DELETE, id=old["id"])

    for person, quoted in ((alice, {"id": old["id"]}), (carol, None)):
        nodes = (await person.query(REPLIES, id=group))["channel"]["messages"]["nodes"]
        assert nodes[-1]["replyToId"] == old["id"]
        assert nodes[-1]["replyTo"] == quoted
        assert nodes[-2]["replyToId"] is None
