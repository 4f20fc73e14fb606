"""An argument that is left out clears nothing: null does."""

from tests.api.users.test_push_endpoints import FCM, SET_ENDPOINT, kinds
from tests.changes import REACT
from tests.make import REFUSAL, Person

MUTED = "query ($id: ID!) { channel(id: $id) { mutedUntil } }"
MUTE = f"""mutation ($id: ID!, $until: DateTime) {{ muteChannel(channelId: $id, until: $until) {{
    __typename {REFUSAL} }} }}"""
REACTIONS = """query ($id: ID!) { channel(id: $id) {
    lastMessage { reactions { emoji count } } } }"""


async def test_a_mute_ends_by_null_and_not_by_what_is_left_out(alice: Person, chat: str) -> None:
    await alice.mutate(MUTE, id=chat, until="2999-01-01T00:00:00Z")

    refused = await alice.mutate(MUTE, id=chat)
    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "until")
    assert (await alice.mutate(MUTED, id=chat))["mutedUntil"] is not None

    await alice.mutate(MUTE, id=chat, until=None)
    assert (await alice.mutate(MUTED, id=chat))["mutedUntil"] is None


async def test_a_reaction_goes_by_null_and_not_by_what_is_left_out(
    alice: Person, chat: str
) -> None:
    message = (await alice.say(chat, "Hello"))["id"]
    await alice.mutate(REACT, id=message, emoji="👍")

    refused = await alice.mutate(REACT, id=message)
    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "emoji")
    assert (await alice.mutate(REACTIONS, id=chat))["lastMessage"]["reactions"] != []

    await alice.mutate(REACT, id=message, emoji=None)
    assert (await alice.mutate(REACTIONS, id=chat))["lastMessage"]["reactions"] == []


async def test_an_endpoint_goes_by_null_and_not_by_what_is_left_out(bob_pushed: Person) -> None:
    await bob_pushed.mutate(SET_ENDPOINT, input=FCM)

    refused = await bob_pushed.mutate(SET_ENDPOINT)

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "input")
    assert await kinds(bob_pushed) == {bob_pushed.device_id: "FCM"}
