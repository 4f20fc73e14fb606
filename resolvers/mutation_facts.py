"""What each mutation may answer and cause: its codes, its events, and whether to repeat it.

The descriptions of the schema end with these facts, docs/features.md is printed from them, and the
tests' client refuses a code that is not here.
"""

from dataclasses import dataclass
from enum import Enum

from models.refusals import RefusalCode as Code


class Repeat(Enum):
    """Whether a client may send a mutation again that may have arrived already."""

    SAFE = "Safe to repeat."
    SAFE_WITH_ID = "Safe to repeat with the same client-made id."
    AGAIN = "Not safe to repeat: each call does it again."
    ONCE = "It works once: where the answer was lost, request another code."


@dataclass(frozen=True, slots=True, kw_only=True)
class MutationFacts:
    """`codes`: those of its refusals, besides the ones of every mutation. `events`: the types of
    events that it causes, each with the users who get it. `fetch`: what a client fetches again
    after it, where the answer and the events do not say it.
    """

    codes: tuple[Code, ...] = ()
    events: tuple[tuple[str, str], ...] = ()
    repeat: Repeat = Repeat.SAFE
    fetch: str = ""


# A budget can be spent, and a server can be away, whatever is asked.
CODES_OF_ALL = (Code.RATE_LIMITED, Code.UNAVAILABLE)

_MEMBERS = "members of the channel"
_VIEWER = "the viewer"
_ADDED = ("MessageAdded", _MEMBERS)
_UPDATED = ("MessageUpdated", _MEMBERS)
_CHANNEL = ("ChannelUpdated", "members of the group")
_VIEWER_UPDATED = ("ViewerUpdated", "the viewer's open streams")
_TO_AUTHORS = ("ReceiptUpdated", "authors of the messages")
_OWN_CHANNEL = ("ViewerChannelUpdated", "the viewer's open streams")

MUTATIONS: dict[str, MutationFacts] = {
    # signing in
    "requestCode": MutationFacts(codes=(Code.INVALID_INPUT,), repeat=Repeat.AGAIN),
    "signIn": MutationFacts(
        codes=(Code.INVALID_INPUT, Code.CODE_WRONG, Code.CODE_EXPIRED),
        events=(_VIEWER_UPDATED,),
        repeat=Repeat.ONCE,
    ),
    "refreshSession": MutationFacts(codes=(Code.SESSION_REVOKED,)),
    "signOut": MutationFacts(events=(_VIEWER_UPDATED,)),
    "revokeDevice": MutationFacts(codes=(Code.NOT_FOUND,), events=(_VIEWER_UPDATED,)),
    # users
    "updateProfile": MutationFacts(
        codes=(Code.INVALID_INPUT, Code.NOT_FOUND, Code.MEDIA_NOT_READY, Code.MEDIA_REJECTED),
        events=(_VIEWER_UPDATED,),
        fetch="Others see the new profile with their next fetch of the user.",
    ),
    "updatePrivacy": MutationFacts(codes=(Code.INVALID_INPUT,), events=(_VIEWER_UPDATED,)),
    "setBlocked": MutationFacts(
        codes=(Code.INVALID_INPUT, Code.NOT_FOUND), events=(_VIEWER_UPDATED,)
    ),
    "report": MutationFacts(codes=(Code.INVALID_INPUT, Code.NOT_FOUND), repeat=Repeat.AGAIN),
    # channels
    "openChat": MutationFacts(
        codes=(Code.NOT_FOUND,), fetch="Others see the chat once it has a message."
    ),
    "muteChannel": MutationFacts(
        codes=(Code.INVALID_INPUT, Code.NOT_FOUND), events=(_OWN_CHANNEL,)
    ),
    "acknowledge": MutationFacts(codes=(Code.INVALID_INPUT,), events=(_TO_AUTHORS, _OWN_CHANNEL)),
    "setTyping": MutationFacts(
        codes=(Code.NOT_FOUND, Code.BLOCKED), events=(("TypingUpdated", _MEMBERS),)
    ),
    # groups
    "createGroup": MutationFacts(
        codes=(
            Code.INVALID_INPUT,
            Code.NOT_FOUND,
            Code.FORBIDDEN,
            Code.CONFLICT,
            Code.GROUP_FULL,
            Code.MEDIA_NOT_READY,
            Code.MEDIA_REJECTED,
        ),
        events=(_CHANNEL,),
        repeat=Repeat.SAFE_WITH_ID,
    ),
    "updateGroup": MutationFacts(
        codes=(
            Code.INVALID_INPUT,
            Code.NOT_FOUND,
            Code.FORBIDDEN,
            Code.MEDIA_NOT_READY,
            Code.MEDIA_REJECTED,
        ),
        events=(_CHANNEL,),
    ),
    "addMembers": MutationFacts(
        codes=(Code.INVALID_INPUT, Code.NOT_FOUND, Code.FORBIDDEN, Code.GROUP_FULL),
        events=(_CHANNEL,),
    ),
    "removeMember": MutationFacts(
        codes=(Code.INVALID_INPUT, Code.NOT_FOUND, Code.FORBIDDEN), events=(_CHANNEL,)
    ),
    "setMemberRole": MutationFacts(
        codes=(Code.NOT_FOUND, Code.FORBIDDEN, Code.LAST_OWNER), events=(_CHANNEL,)
    ),
    "leaveGroup": MutationFacts(codes=(Code.NOT_FOUND,), events=(_CHANNEL,)),
    "joinGroup": MutationFacts(
        codes=(Code.NOT_FOUND, Code.INVITE_EXPIRED, Code.GROUP_FULL), events=(_CHANNEL,)
    ),
    "createGroupInvite": MutationFacts(
        codes=(Code.INVALID_INPUT, Code.NOT_FOUND, Code.FORBIDDEN),
        repeat=Repeat.AGAIN,
        fetch="Other owners and admins see the invite when they fetch the group's invites again.",
    ),
    "revokeGroupInvite": MutationFacts(codes=(Code.NOT_FOUND, Code.FORBIDDEN)),
    # messages
    "sendMessage": MutationFacts(
        codes=(
            Code.INVALID_INPUT,
            Code.NOT_FOUND,
            Code.BLOCKED,
            Code.CONFLICT,
            Code.MEDIA_NOT_READY,
            Code.MEDIA_REJECTED,
        ),
        events=(_ADDED,),
        repeat=Repeat.SAFE_WITH_ID,
    ),
    "editMessage": MutationFacts(
        codes=(
            Code.INVALID_INPUT,
            Code.NOT_FOUND,
            Code.FORBIDDEN,
            Code.BLOCKED,
            Code.EDIT_WINDOW_CLOSED,
        ),
        events=(_UPDATED,),
    ),
    "deleteMessage": MutationFacts(codes=(Code.NOT_FOUND, Code.FORBIDDEN), events=(_UPDATED,)),
    "react": MutationFacts(
        codes=(Code.INVALID_INPUT, Code.NOT_FOUND, Code.FORBIDDEN, Code.BLOCKED),
        events=(_UPDATED,),
    ),
    # files
    "createUpload": MutationFacts(codes=(Code.INVALID_INPUT, Code.TOO_LARGE), repeat=Repeat.AGAIN),
    "completeUpload": MutationFacts(
        codes=(Code.NOT_FOUND, Code.MEDIA_NOT_READY, Code.MEDIA_REJECTED, Code.TOO_LARGE),
        events=(("MessageUpdated", "members of the channels whose messages hold the file"),),
    ),
    # push
    "setPushEndpoint": MutationFacts(codes=(Code.INVALID_INPUT,)),
    "confirmPushEmail": MutationFacts(
        codes=(Code.INVALID_INPUT, Code.CODE_WRONG, Code.CODE_EXPIRED)
    ),
    "setPushSettings": MutationFacts(codes=(Code.INVALID_INPUT,)),
}


def complete_description(name: str, description: str) -> str:
    """Return a mutation's description, with its facts as last sentences."""
    facts = MUTATIONS[name]
    events = "; ".join(f"{type_} to {whom}" for type_, whom in facts.events) or "none"
    codes = ", ".join(code.value for code in codes_of(name))
    sentences = [description, f"Codes: {codes}.", f"Events: {events}."]
    # Some say so, and why, in words of their own.
    if "afe to repeat" not in description and facts.repeat.value not in description:
        sentences.append(facts.repeat.value)
    return " ".join([*sentences, *([facts.fetch] if facts.fetch else [])])


def codes_of(name: str) -> tuple[Code, ...]:
    """Return all codes that a mutation's refusals may have."""
    return (*MUTATIONS[name].codes, *CODES_OF_ALL)
