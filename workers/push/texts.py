"""What a push says, in at most 120 characters, one line, without anything that could make it look
other than it is.

English words stand for messages without text; apps have the ids to say it in their own way.
"""

import re
import unicodedata

from models.channels.channels import ChannelKind
from models.messages.messages import MessageKind
from models.push.claims import Facts, Unread
from models.push.settings import PushPreview

MOST_CHARACTERS = 120
NEW_MESSAGE = "New message"
_ELLIPSIS = "…"
_SOMEBODY = "Somebody"

_WORDS = {
    MessageKind.IMAGE: "Photo",
    MessageKind.VIDEO: "Video",
    MessageKind.AUDIO: "Voice message",
    MessageKind.FILE: "File",
    MessageKind.LOCATION: "Location",
}

# Controls, bidi controls, interlinear annotation, the byte order mark and lone surrogates.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u206a-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SPACE = re.compile(r"\s+")
_ZERO_WIDTH_JOINER = "\u200d"


def clean(text: str) -> str:
    """In one line, cut."""
    return cut(_SPACE.sub(" ", _UNSEEN.sub("", text)).strip(), MOST_CHARACTERS)


def cut(text: str, most: int) -> str:
    """At most so many code points, with an ellipsis if something is missing. What is read as one
    character is kept whole or left out (most of UAX 29's extended grapheme clusters).
    """
    if len(text) <= most:
        return text
    end = most - len(_ELLIPSIS)
    while end > 0 and _belongs_together(text, end):
        end -= 1
    return text[:end].rstrip() + _ELLIPSIS


def _belongs_together(text: str, place: int) -> bool:
    before, after = text[place - 1], text[place]
    if before == _ZERO_WIDTH_JOINER or _extends(after):
        return True
    return _is_flag_half(before) and _is_flag_half(after) and _halves_before(text, place) % 2 == 1


def _extends(character: str) -> bool:
    return (
        character == _ZERO_WIDTH_JOINER
        or unicodedata.category(character) in ("Mn", "Mc", "Me")
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= character <= "\U000e007f"  # the letters of regional flags
        or "\u1160" <= character <= "\u11ff"  # Hangul vowels and finals
    )


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _halves_before(text: str, place: int) -> int:
    begin = place
    while begin > 0 and _is_flag_half(text[begin - 1]):
        begin -= 1
    return place - begin


def title_and_body(
    preview: PushPreview, facts: Facts, message: Unread, sender_name: str | None
) -> tuple[str, str | None]:
    """As much as the device's setting lets everybody see who looks at its screen."""
    if preview is PushPreview.NOTHING:
        return NEW_MESSAGE, None
    title = clean(sender_name or "") or _SOMEBODY
    if facts.channel_kind is ChannelKind.GROUP:
        title = clean(f"{title} @ {facts.group_name or ''}")
    if preview is PushPreview.SENDER:
        return title, NEW_MESSAGE
    return title, clean(message.text or "") or _WORDS.get(message.kind, NEW_MESSAGE)
