"""Write the title and body of a push: each is one line of at most 120 characters, without those
that could make it look other than it is.

English words stand for messages without text; apps have the ids to say it in their own way.
"""

import re

from models.channel_kinds import ChannelKind
from models.messages.messages import MessageKind
from models.push.facts import Facts, Unread
from models.push.settings import PushPreview
from workers.push.cutting import cut

MOST_CHARACTERS = 120
NEW_MESSAGE = "New message"
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


def clean(text: str) -> str:
    """Return the text in one line, without what cannot be seen, cut to `MOST_CHARACTERS`."""
    return cut(_SPACE.sub(" ", _UNSEEN.sub("", text)).strip(), MOST_CHARACTERS)


def title_and_body(
    preview: PushPreview, facts: Facts, message: Unread, sender_name: str | None
) -> tuple[str, str | None]:
    """Return what the device's setting lets everybody see who looks at its screen; no body if it
    lets nobody see anything.
    """
    if preview is PushPreview.NOTHING:
        return NEW_MESSAGE, None
    title = clean(sender_name or "") or _SOMEBODY
    if facts.channel_kind is ChannelKind.GROUP:
        title = clean(f"{title} @ {facts.group_name or ''}")
    if preview is PushPreview.SENDER:
        return title, NEW_MESSAGE
    return title, clean(message.text or "") or _WORDS.get(message.kind, NEW_MESSAGE)
