"""docs/push.md shows whole pushes: those that the worker makes of a message, and that the clients
of the providers write.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.channel_kinds import ChannelKind
from models.messages.messages import MessageKind
from models.push.claims import Claim
from models.push.facts import Facts, Unread
from models.push.settings import DEFAULTS
from models.push.states import PushKey
from workers.push.deciding import Show
from workers.push.planning import clear_push, show_push
from workers.push.providers import apns, fcm, web_push
from workers.push.providers.pushes import Push

PAGE = (Path(__file__).parents[3] / "docs" / "push.md").read_text("utf-8")
BLOCK = re.compile(r"<!-- printed: (.+?) -->\n```json\n(.*?)^```", re.DOTALL | re.MULTILINE)
PRINTED: dict[str, str] = dict(BLOCK.findall(PAGE))

ALICE, PHONE, CHAT = "a1" * 16, "b2" * 16, "c3" * 16
SENT_AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
MESSAGE = Unread(
    seq=7,
    kind=MessageKind.TEXT,
    sender_id=ALICE,
    text="See you at nine?",
    sent_at=SENT_AT,
    edited_at=None,
)
FACTS = Facts(
    channel_kind=ChannelKind.CHAT,
    group_name=None,
    last_seq=7,
    delivered_seq=6,
    muted=False,
    blocked=False,
    shown_stands=False,
    newest=MESSAGE,
    mention=None,
)


def claim(shown_seq: int) -> Claim:
    return Claim(
        key=PushKey(user_id="d4" * 16, device_id=PHONE, channel_id=CHAT),
        shown_seq=shown_seq,
        shown_edited_at=None,
        device_seq=6,
        failures=0,
        address=None,
        settings=DEFAULTS,
    )


SHOWN = show_push(claim(0), FACTS, Show(MESSAGE), "Alice", badge=3)
CLEARED = clear_push(claim(7), badge=2)
PLATFORMS: dict[str, Callable[[Push], bytes]] = {
    "FCM": lambda push: fcm.payload(push, "THE TOKEN OF setPushEndpoint"),
    "APNs": apns.payload,
    "Web Push": web_push.payload,
}


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("action", "push"), [("show", SHOWN), ("clear", CLEARED)])
def test_payload_on_the_page_is_what_is_sent(platform: str, action: str, push: Push) -> None:
    sent = json.dumps(json.loads(PLATFORMS[platform](push)), indent=2, ensure_ascii=False)

    assert PRINTED[f"{platform} {action}"].strip() == sent, f"docs/push.md should have:\n{sent}"


def test_page_names_every_field_of_an_app_once() -> None:
    again = show_push(claim(7), FACTS, Show(MESSAGE, again=True), "Alice", badge=3)
    fields = {name for push in (SHOWN, CLEARED, again) for name in json.loads(apns.payload(push))}

    table = PAGE.split("| field |")[1].split("\n\n")[0]
    named = [
        name
        for cell in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
        for name in re.findall(r"\w+", cell)
    ]
    assert sorted(named) == sorted(fields - {"aps"})


def test_page_has_no_other_payload() -> None:
    assert PRINTED.keys() == {
        f"{name} {action}" for name in PLATFORMS for action in ("show", "clear")
    }
