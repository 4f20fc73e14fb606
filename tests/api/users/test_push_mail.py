"""Mail addresses: nothing but a code goes there until its owner has given the code back."""

from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
import pytest_asyncio

from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.mails import digest_of
from models.push.states import Want, want_pushes
from models.tokens import Tokens, UnsubscribeClaims
from tests.api.users.test_push_endpoints import FCM, SET_ENDPOINT
from tests.client import Json, until
from tests.confirming import find_code
from tests.make import REFUSAL, AnotherDevice, MakePerson, Person
from tests.times import earlier

MAIL = "bob@mail.example"
CONFIRM = f"""mutation ($address: String!, $code: String!) {{
    confirmPushEmail(address: $address, code: $code) {{ __typename
    ... on SetPushEndpointPayload {{ device {{ pushEndpoint pushEmail {{ address confirmed }} }} }}
    {REFUSAL} }} }}"""
ENDPOINT = "{ devices { isCurrent pushEndpoint pushEmail { address confirmed } } }"
INBOX = "subscription { inbox { __typename } }"
JOBS = "SELECT count(*) FROM jobs WHERE kind = $1"


@pytest_asyncio.fixture(autouse=True)
async def no_jobs(database: Database) -> AsyncIterator[None]:
    await database.execute("DELETE FROM jobs")
    yield
    await database.execute("DELETE FROM jobs")


async def set_mail(person: Person, address: str = MAIL) -> Json:
    answer: Json = await person.mutate(SET_ENDPOINT, input={"email": {"address": address}})
    return answer


async def confirm(person: Person, code: str, address: str = MAIL) -> Json:
    answer: Json = await person.mutate(CONFIRM, address=address, code=code)
    return answer


async def endpoint(person: Person) -> Json:
    [found] = [each for each in await person.mutate(ENDPOINT) if each.pop("isCurrent")]
    assert isinstance(found, dict)
    return found


def mail(address: str = MAIL, *, confirmed: bool) -> Json:
    return {"pushEndpoint": "EMAIL", "pushEmail": {"address": address, "confirmed": confirmed}}


def other(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


BY = "$1 * interval '1 s'"


async def pass_time(database: Database, seconds: float) -> None:
    """As if all codes had been asked for this much earlier."""
    await database.execute(
        f"UPDATE push_mails SET asked_at = {earlier('asked_at', BY)}, "
        f"expires_at = {earlier('expires_at', BY)}",
        seconds,
    )


async def test_an_address_is_set_and_waits_for_its_code(
    bob_pushed: Person, database: Database, tokens: Tokens
) -> None:
    await set_mail(bob_pushed, "bob@MAIL.example")

    assert await endpoint(bob_pushed) == mail(confirmed=False)
    # The code is sent by a job, which holds neither code nor address.
    [payload] = await database.fetch("SELECT payload FROM jobs")
    code = await find_code(database, tokens, bob_pushed, MAIL)
    assert code.encode() not in payload[0]
    assert b"mail.example" not in payload[0]
    row = await database.fetchrow("SELECT * FROM push_mails")
    assert code not in str(row)


async def test_its_code_confirms_it_and_again_changes_nothing(
    bob_pushed: Person, another_device: AnotherDevice, database: Database, tokens: Tokens
) -> None:
    tablet = (await another_device(bob_pushed)).at(bob_pushed.server)
    await set_mail(bob_pushed)
    await set_mail(tablet)
    code = await find_code(database, tokens, bob_pushed, MAIL)

    async with bob_pushed.follow(INBOX) as inbox:
        await until(inbox, "InboxReady")
        answers = [await confirm(tablet, code) for _ in range(2)]
        assert (await inbox.event())["__typename"] == "ViewerUpdated"

    assert [answer["device"] for answer in answers] == [mail(confirmed=True)] * 2
    # Whichever of the user's devices asked.
    assert await endpoint(bob_pushed) == mail(confirmed=True)
    # Set again, it is confirmed at once, and no code is sent.
    await bob_pushed.mutate(SET_ENDPOINT, input=FCM)
    assert (await set_mail(bob_pushed))["__typename"] == "SetPushEndpointPayload"
    assert await endpoint(bob_pushed) == mail(confirmed=True)
    assert await database.fetchval(JOBS, "push_mail_code") == 1


async def test_no_push_is_queued_for_it_before(
    alice: Person, bob_pushed: Person, chat: str, database: Database, tokens: Tokens
) -> None:
    await set_mail(bob_pushed)
    channel_id = await database.fetchval("SELECT id FROM channels")
    want = Want(bob_pushed.user.id, channel_id, 1)

    assert await want_pushes(database, [want], limits=Limits()) == 0
    await confirm(bob_pushed, await find_code(database, tokens, bob_pushed, MAIL))
    assert await want_pushes(database, [want], limits=Limits()) == 1


async def test_five_wrong_codes_end_it(
    bob_pushed: Person, database: Database, tokens: Tokens
) -> None:
    await set_mail(bob_pushed)
    code = await find_code(database, tokens, bob_pushed, MAIL)

    refused = [(await confirm(bob_pushed, other(code)))["code"] for _ in range(5)]

    assert refused == ["CODE_WRONG"] * 5
    assert (await confirm(bob_pushed, code))["code"] == "CODE_EXPIRED"
    assert await endpoint(bob_pushed) == mail(confirmed=False)
    # Another is sent when it is asked for.
    await set_mail(bob_pushed)
    fresh = await find_code(database, tokens, bob_pushed, MAIL)
    assert (await confirm(bob_pushed, fresh))["device"] == mail(confirmed=True)


async def test_it_works_for_an_hour(bob_pushed: Person, database: Database, tokens: Tokens) -> None:
    await set_mail(bob_pushed)
    code = await find_code(database, tokens, bob_pushed, MAIL)
    await pass_time(database, 3600)

    assert (await confirm(bob_pushed, code))["code"] == "CODE_EXPIRED"


async def test_it_is_of_no_use_to_another_user_or_for_another_address(
    bob_pushed: Person, carol: Person, database: Database, tokens: Tokens
) -> None:
    carol = carol.at(bob_pushed.server)
    await set_mail(bob_pushed)
    await set_mail(carol)
    await set_mail(carol, "carol@mail.example")
    bobs = await find_code(database, tokens, bob_pushed, MAIL)
    carols = await find_code(database, tokens, carol, "carol@mail.example")

    assert (await confirm(carol, bobs))["code"] == "CODE_WRONG"
    assert (await confirm(carol, carols))["code"] == "CODE_WRONG"
    assert (await confirm(carol, carols, "nobody@mail.example"))["code"] == "CODE_EXPIRED"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code": "12345"}, "code"),
        ({"code": "١٢٣٤٥٦"}, "code"),
        ({"address": "bob"}, "address"),
        ({"address": "bob@mail.example\r\nBcc: a@b.example"}, "address"),
    ],
)
async def test_what_cannot_be_right_is_refused(
    bob_pushed: Person, change: Json, field: str
) -> None:
    refused = await confirm(bob_pushed, **({"address": MAIL, "code": "123456"} | change))

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", field)


# -------------------------------------------------------------------- how often it is sent


async def test_asking_again_sends_the_same_code_a_minute_later_at_the_soonest(
    bob_pushed: Person, database: Database, tokens: Tokens
) -> None:
    for _ in range(3):
        await set_mail(bob_pushed)
    code = await find_code(database, tokens, bob_pushed, MAIL)
    assert await database.fetchval(JOBS, "push_mail_code") == 1

    await pass_time(database, 60)
    await set_mail(bob_pushed)

    assert await database.fetchval(JOBS, "push_mail_code") == 2
    assert await find_code(database, tokens, bob_pushed, MAIL) == code


async def test_it_is_sent_for_a_user_five_times_a_day(bob_pushed: Person) -> None:
    for number in range(5):
        await set_mail(bob_pushed, f"b{number}@mail.example")

    refused = await set_mail(bob_pushed, "b5@mail.example")

    assert refused["code"] == "RATE_LIMITED"
    assert await endpoint(bob_pushed) == mail("b4@mail.example", confirmed=False)
    answer = await bob_pushed.mutate(SET_ENDPOINT, input=FCM)
    assert answer["__typename"] == "SetPushEndpointPayload"


async def test_it_is_sent_to_a_mailbox_three_times_a_day_whoever_asks(
    bob_pushed: Person, person: MakePerson, database: Database
) -> None:
    """In whichever spelling leads there."""
    spellings = ["victim@mail.example", "VICTIM+1@mail.example", "vic.tim@MAIL.example"]
    for number, spelling in enumerate(spellings):
        attacker = (await person(f"Attacker {number}")).at(bob_pushed.server)
        assert (await set_mail(attacker, spelling))["__typename"] == "SetPushEndpointPayload"

    refused = await set_mail(bob_pushed, "victim+2@mail.example")

    assert (refused["code"], refused["reason"]) == (
        "RATE_LIMITED",
        "Too many codes for this address.",
    )
    assert await database.fetchval(JOBS, "push_mail_code") == 3


# -------------------------------------------------------------------- no more of it


async def unsubscribe(person: Person, tokens: Tokens, *, refuse: bool) -> httpx2.Response:
    """As a mail program does it (RFC 8058), without signing in."""
    claims = UnsubscribeClaims(person.user.id, digest_of(MAIL), refuse)
    return await person.server.http.post(
        f"http://{person.server.host}/unsubscribe/{tokens.make_unsubscribe(claims)}",
        data={"List-Unsubscribe": "One-Click"},
    )


async def test_one_click_ends_it_on_all_devices_until_it_is_confirmed_again(
    bob_pushed: Person, another_device: AnotherDevice, database: Database, tokens: Tokens
) -> None:
    tablet = (await another_device(bob_pushed)).at(bob_pushed.server)
    for device in (bob_pushed, tablet):
        await set_mail(device)
    await confirm(bob_pushed, await find_code(database, tokens, bob_pushed, MAIL))

    async with bob_pushed.follow(INBOX) as inbox:
        await until(inbox, "InboxReady")
        answers = [await unsubscribe(bob_pushed, tokens, refuse=False) for _ in range(2)]
        assert (await inbox.event())["__typename"] == "ViewerUpdated"

    assert [answer.status_code for answer in answers] == [200, 200]
    for device in (bob_pushed, tablet):
        assert await endpoint(device) == {"pushEndpoint": None, "pushEmail": None}
    await set_mail(bob_pushed)
    assert await endpoint(bob_pushed) == mail(confirmed=False)


async def test_one_click_leaves_other_endpoints_alone(
    bob_pushed: Person, another_device: AnotherDevice, tokens: Tokens
) -> None:
    tablet = (await another_device(bob_pushed)).at(bob_pushed.server)
    await bob_pushed.mutate(SET_ENDPOINT, input=FCM)
    await set_mail(tablet, "another@mail.example")

    assert (await unsubscribe(bob_pushed, tokens, refuse=False)).status_code == 200

    assert (await endpoint(bob_pushed))["pushEndpoint"] == "FCM"
    assert await endpoint(tablet) == mail("another@mail.example", confirmed=False)


async def test_one_click_in_a_mail_with_a_code_refuses_all_codes_of_that_user(
    bob_pushed: Person, carol: Person, database: Database, tokens: Tokens
) -> None:
    await set_mail(bob_pushed)
    code = await find_code(database, tokens, bob_pushed, MAIL)

    await unsubscribe(bob_pushed, tokens, refuse=True)

    refused = await set_mail(bob_pushed)
    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "email.address")
    assert (await confirm(bob_pushed, code))["code"] == "CODE_EXPIRED"
    assert (await set_mail(carol.at(bob_pushed.server)))["__typename"] == "SetPushEndpointPayload"


async def test_looking_at_the_page_changes_nothing(
    bob_pushed: Person, database: Database, tokens: Tokens
) -> None:
    """Programs that check mails follow links."""
    await set_mail(bob_pushed)
    await confirm(bob_pushed, await find_code(database, tokens, bob_pushed, MAIL))
    token = tokens.make_unsubscribe(UnsubscribeClaims(bob_pushed.user.id, digest_of(MAIL), False))
    url = f"http://{bob_pushed.server.host}/unsubscribe/{token}"

    page = await bob_pushed.server.http.get(url)

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert '<form method="post">' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert await endpoint(bob_pushed) == mail(confirmed=True)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"),
        lambda token: "puc" + token[3:],
        lambda token: token[:10] + ("0" if token[10] != "0" else "1") + token[11:],
        lambda token: "x",
        lambda token: token + "0",
    ],
)
async def test_a_link_that_is_not_ours_does_nothing(
    bob_pushed: Person, database: Database, tokens: Tokens, spoil: Callable[[str], str]
) -> None:
    await set_mail(bob_pushed)
    await confirm(bob_pushed, await find_code(database, tokens, bob_pushed, MAIL))
    token = tokens.make_unsubscribe(UnsubscribeClaims(bob_pushed.user.id, digest_of(MAIL), False))
    url = f"http://{bob_pushed.server.host}/unsubscribe/{spoil(token)}"

    for answer in (
        await bob_pushed.server.http.post(url),
        await bob_pushed.server.http.get(url),
    ):
        assert answer.status_code == 404

    assert await endpoint(bob_pushed) == mail(confirmed=True)
