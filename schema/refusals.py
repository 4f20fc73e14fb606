"""Refusals as answers: the type, its codes, and the decorator of every mutation."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

import strawberry

from models.refusals import RefusalCode, Refused, invalid
from schema.context import context_of
from schema.enums import describe_enum

# What apps do by themselves. To acknowledge is to do something only where something was read.
OF_APPS = frozenset(
    {"acknowledge", "complete_upload", "refresh_session", "set_push_endpoint", "sign_out"}
)

Params = ParamSpec("Params")
Answer = TypeVar("Answer")

describe_enum(
    RefusalCode,
    "The reason of a refusal.",
    {
        "INVALID_INPUT": "The input breaks a rule. `field` says which part of it.",
        "NOT_FOUND": (
            "The object does not exist, or the viewer may not see it. Clients cannot tell these "
            "cases apart."
        ),
        "FORBIDDEN": "The viewer's role, or another user's privacy setting, does not allow it.",
        "CONFLICT": "The client-made id was used before, with another input.",
        "GROUP_FULL": "The group has not enough seats left.",
        "LAST_OWNER": "The group would be left without an owner.",
        "BLOCKED": "One of the two users has blocked the other.",
        "CODE_WRONG": "The code is not the one that was sent. This used one of its 5 tries.",
        "CODE_EXPIRED": (
            "There is no valid code: it expired, was used already, or was guessed wrong too often."
        ),
        "SESSION_REVOKED": "The session is over. Sign in again.",
        "INVITE_EXPIRED": "The invite is no longer valid: it expired, was revoked or is used up.",
        "MEDIA_NOT_READY": "The file has not arrived or is still being processed.",
        "MEDIA_REJECTED": "The file is not what its owner said it is, or it cannot be used here.",
        "TOO_LARGE": "The file is larger than the limits allow.",
        "EDIT_WINDOW_CLOSED": "The message is too old to be edited.",
        "RATE_LIMITED": (
            "A budget is used up. `retryAfterMs` says how long to wait before the same request can "
            "succeed."
        ),
        "UNAVAILABLE": "The server cannot do this right now. Repeat the request later.",
    },
)


@strawberry.type(
    description=(
        "Why a mutation did not do what was asked. Expected failures are returned as this "
        "type, not raised as errors. Unexpected failures are top-level errors: they carry "
        "no detail, only an id to report."
    )
)
class Refusal:
    code: RefusalCode = strawberry.field(
        description="The reason as a code. Let programs decide by this."
    )
    reason: str = strawberry.field(
        description="The reason as a sentence for developers. Show users a text of your own."
    )
    field: str | None = strawberry.field(
        description=(
            "The path of the input field that caused the refusal, for example userIds.3. Null "
            "when no single field did."
        ),
        default=None,
    )
    retry_after_ms: int | None = strawberry.field(
        description=(
            "How many milliseconds to wait before the next try. Null when the server cannot say."
        ),
        default=None,
    )


def refusal_of(refused: Refused) -> Refusal:
    return Refusal(
        code=refused.code,
        reason=refused.reason,
        field=refused.field,
        retry_after_ms=refused.retry_after_ms,
    )


def require_given(value: Any, name: str) -> None:
    """Check that an argument for which null means to clear was not left out: some clients leave out
    a variable that was never set, and would clear by mistake.

    Raises:
        Refused: INVALID_INPUT.
    """
    if value is strawberry.UNSET:
        raise invalid("Give this argument; null clears what is set.", name)


def answers_refusals(
    resolver: Callable[Params, Awaitable[Answer]],
) -> Callable[Params, Awaitable[Answer | Refusal]]:
    """Decorate a resolver of a mutation, below `strawberry.mutation`: what the models refuse
    becomes the answer. What a person does makes the viewer active at this device.
    """
    of_a_person = resolver.__name__ not in OF_APPS

    @functools.wraps(resolver)
    async def answer(*args: Params.args, **kwargs: Params.kwargs) -> Answer | Refusal:
        try:
            answered = await resolver(*args, **kwargs)
        except Refused as refused:
            return refusal_of(refused)
        if of_a_person:
            context_of(kwargs["info"]).note_active()
        return answered

    return answer
