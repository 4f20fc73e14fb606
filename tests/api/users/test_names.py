"""Wherever a name is given, one that holds what cannot be seen is refused, and the refusal says
what; of a file's it is left out.
"""

from typing import Any

from tests.api.users.test_sign_in import SIGN_IN
from tests.client import Json
from tests.groups import CREATE, SEEN, UPDATE, make_group
from tests.make import Person
from tests.uploading import PROFILE, create_upload

BLANK = "Ali\u3164ce"
REASON = "Character 4 of the name is U+3164 HANGUL FILLER, which cannot be seen; leave it out."


def refused(field: str) -> Json:
    return {
        "__typename": "Refusal",
        "code": "INVALID_INPUT",
        "reason": REASON,
        "field": field,
        "retryAfterMs": None,
    }


def sign_in(**given: Any) -> Json:
    device = {"name": "Phone", "platform": "WEB"}
    asked = {"phoneNumber": "+14155550199", "code": "123456", "requestSecret": "s"}
    return asked | {"device": device} | given


async def test_of_people_groups_and_devices(alice: Person) -> None:
    group = await make_group(alice)

    for field, document, given in (
        ("name", PROFILE, {"name": BLANK}),
        ("name", CREATE, {"name": BLANK, "memberIds": []}),
        ("name", UPDATE, {"groupId": group, "name": BLANK}),
        ("name", SIGN_IN, sign_in(name=BLANK)),
        ("device.name", SIGN_IN, sign_in(device={"name": BLANK, "platform": "WEB"})),
    ):
        assert await alice.mutate(document, input=given) == refused(field)

    assert (await alice.mutate("{ viewer { name } }"))["name"] == "Alice"
    assert (await alice.mutate(SEEN, id=group))["name"] == "Hikers"


async def test_of_a_file(alice: Person) -> None:
    ticket = await create_upload(alice, kind="FILE", fileName="photo\u202egnp\u3164.exe")

    assert ticket["media"]["fileName"] == "photognp.exe"
