"""Emoji: what one reaction may be."""

import pytest

from models.messages.emoji import require_emoji
from models.refusals import RefusalCode, Refused

EMOJI = {
    "a picture": "\U0001f44d",
    "a sign as a picture": "\u2764\ufe0f",
    "a sign as it is": "\u2764",
    "with a skin tone": "\U0001f44d\U0001f3fe",
    "a skin tone": "\U0001f3fd",
    "a family": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "a profession": "\U0001f9d1\U0001f3ff\u200d\u2695\ufe0f",
    "two people of two tones": (
        "\U0001f469\U0001f3fb\u200d\u2764\ufe0f\u200d\U0001f48b\u200d\U0001f468\U0001f3ff"
    ),
    "the flag of a state": "\U0001f1e9\U0001f1ea",
    "the flag of a region": (
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
    ),
    "a keycap": "7\ufe0f\u20e3",
    "the newest": "\U0001fae9",
    "not given out yet": "\U0001faf9",
}
OTHERS = {
    "nothing": "",
    "a letter": "a",
    "a digit": "7",
    "a word": "ok",
    "a space": " ",
    "a space after it": "\U0001f44d ",
    "two": "\U0001f44d\U0001f44d",
    "a letter after it": "\U0001f44dx",
    "half a flag": "\U0001f1e9",
    "a flag and a half": "\U0001f1e9\U0001f1ea\U0001f1e9",
    "a joiner that joins nothing": "\U0001f468\u200d",
    "a joiner first": "\u200d\U0001f468",
    "two joiners": "\U0001f468\u200d\u200d\U0001f469",
    "only how to show it": "\ufe0f",
    "only a cap": "\u20e3",
    "tags without an end": "\U0001f3f4\U000e0067\U000e0062",
    "a NUL": "\U0001f44d\x00",
    "a lone surrogate": "\ud83d",
    "markup": "<b>",
    "a family without end": "\u200d".join(["\U0001f468"] * 17),
}


@pytest.mark.parametrize("name", EMOJI)
def test_is_one(name: str) -> None:
    assert require_emoji(EMOJI[name], "emoji") == EMOJI[name]


@pytest.mark.parametrize("name", OTHERS)
def test_is_none(name: str) -> None:
    with pytest.raises(Refused) as refused:
        require_emoji(OTHERS[name], "emoji")

    assert (refused.value.code, refused.value.field) == (RefusalCode.INVALID_INPUT, "emoji")
