"""What a client does at each code: the texts of docs/errors.md."""

from models.close_codes import CloseCode
from models.log.events import TooFarBehind
from models.refusals import RefusalCode
from parley.engine import errors, persisted

REPEATS = {
    "no answer: the network failed, or a time limit of yours passed": (
        "Yes, with the same `clientMessageId` or `clientGroupId`. [features.md](features.md) says "
        "for each mutation whether that is safe."
    ),
    "`RATE_LIMITED`": "Yes, after `retryAfterMs`.",
    "`UNAVAILABLE`, or HTTP 502, 503, 504": (
        "Yes, after 1 s, then 2, 4, 8 … at most 30 s, each with a random part."
    ),
    "`INTERNAL`": "Once. If it fails again, show an error with `errorId`.",
    "`UNAUTHENTICATED`": "Once, after `refreshSession`.",
    "any other code": "No. The same request would get the same answer.",
}

STATUSES = {
    "200": (
        "The operation was executed. Look for `errors` and for `Refusal` in the answer. Clients "
        "that accept only `application/json` get 200 for most errors, too."
    ),
    "400": "The request or its document is not valid; `errors` says what is wrong.",
    "401": "`UNAUTHENTICATED`.",
    "403": "`FORBIDDEN`: the page's origin or the request's host is not allowed.",
    "405, 406, 408, 413, 414, 415, 431": (
        "Wrong method, wrong `Accept`, a body that came too late, a body, address or header that "
        "is too long, a wrong `Content-Type`. Fix the client."
    ),
    "429": "`RATE_LIMITED`. Wait for `Retry-After` seconds.",
    "503": (
        "`UNAVAILABLE`: the server is overloaded, restarts or waits for its database. Try again "
        "later."
    ),
}

REFUSALS = {
    RefusalCode.INVALID_INPUT: (
        "Shows the mistake at the input that `field` names. Does not repeat the request unchanged."
    ),
    RefusalCode.NOT_FOUND: "Removes the object from its store, or goes back to the list.",
    RefusalCode.FORBIDDEN: (
        "Says that it is not allowed. Fetches the group's `viewerRole` again: it may have changed."
    ),
    RefusalCode.CONFLICT: (
        "Makes a new client id for the new input. An id belongs to one input; see "
        "[sync.md](sync.md#outbox)."
    ),
    RefusalCode.GROUP_FULL: "Says that the group is full. `Group.seatsLeft` shows it earlier.",
    RefusalCode.LAST_OWNER: "Asks the user to make another member an owner first.",
    RefusalCode.BLOCKED: (
        "Says that no message can be sent here. Does not say who has blocked whom."
    ),
    RefusalCode.CODE_WRONG: "Lets the user type the code again.",
    RefusalCode.CODE_EXPIRED: "Offers to send another code (`requestCode`).",
    RefusalCode.SESSION_REVOKED: (
        "Deletes the tokens and what it stored of this user, and shows the sign-in."
    ),
    RefusalCode.INVITE_EXPIRED: "Says so. The user asks a member of the group for a new invite.",
    RefusalCode.MEDIA_NOT_READY: (
        "Waits until `Media.state` is `READY`, then repeats. In an upload: sends the missing "
        "parts; see [uploads.md](uploads.md)."
    ),
    RefusalCode.MEDIA_REJECTED: "Says that the file cannot be used. Uploads no copy of it again.",
    RefusalCode.TOO_LARGE: "Says how large a file may be (`limits { uploadBytes }`).",
    RefusalCode.EDIT_WINDOW_CLOSED: (
        "Hides *Edit*. `limits { editWindowSeconds }` tells it in advance."
    ),
    RefusalCode.RATE_LIMITED: "Waits for `retryAfterMs`, then repeats the same request.",
    RefusalCode.UNAVAILABLE: "Repeats the same request after `retryAfterMs`, or after 1 s.",
}

# By code: what it means, and what the client does.
ERRORS = {
    errors.UNAUTHENTICATED: (
        "No access token, or one that has expired or was revoked.",
        "Calls `refreshSession`, then repeats the request once. If the refresh is refused, shows "
        "the sign-in. See [authentication.md](authentication.md).",
    ),
    errors.INTERNAL: (
        "Something failed that the server did not expect. `errorId` is in the server's log.",
        "Repeats once; then shows an error with `errorId`, for a report.",
    ),
    errors.INVALID_INPUT: (
        "A variable, an argument or the request itself breaks a rule. `field` says where, if it "
        "is known.",
        "Is fixed, or shows the mistake to the user who typed the value.",
    ),
    errors.PARSE_FAILED: ("The document is not GraphQL.", "Is fixed."),
    errors.VALIDATION_FAILED: (
        "The document does not fit the schema: an unknown field, a wrong type.",
        "Is built again with the current `schema.graphql`.",
    ),
    errors.LIMIT_EXCEEDED: (
        "The document, or the subscriptions of one connection together, are larger than the limits "
        "allow. The message names the limit.",
        "Asks for less at once: a smaller page, fewer fields, fewer subscriptions. See "
        "[limits.md](limits.md).",
    ),
    "FORBIDDEN": (
        "A browser's page of an origin that is not allowed, or a wrong host.",
        "Cannot do anything. The operator adds the origin to the setting that the message names.",
    ),
    "TOO_LARGE": (
        "The body, the address or a header of the request is too long.",
        "Sends less at once.",
    ),
    persisted.NOT_FOUND: (
        "The server does not know the document of this hash (message: `PersistedQueryNotFound`).",
        "Sends hash and text together. Apollo and urql do so by themselves.",
    ),
    persisted.NOT_SUPPORTED: (
        "This server has automatic persisted queries turned off.",
        "Sends the text of its documents from now on. Apollo and urql do so by themselves.",
    ),
    persisted.NOT_TRUSTED: (
        "This server executes only documents that its operator has listed; this is not one.",
        "Is released together with its list of documents.",
    ),
    TooFarBehind.code: (
        "`messageAdded(afterSeq:)` cannot begin there: too much was missed, or the user was not a "
        "member in between.",
        "Fetches the channel, and subscribes again from its `lastSeq`.",
    ),
}

AGAIN = "Connects again after a short wait, and goes on with the same `streamId` or its cursor."
FIX = "Is fixed: connecting again would end the same way."

CLOSES = {
    CloseCode.POLICY_VIOLATION: (
        "The page's origin or the host is not allowed.",
        "Does not connect again. The operator has to allow the origin.",
    ),
    CloseCode.MESSAGE_TOO_BIG: ("A frame is larger than 64 KiB.", FIX),
    CloseCode.SERVICE_RESTART: ("The server restarts, for example at a deploy.", AGAIN),
    CloseCode.TRY_AGAIN_LATER: (
        "The client read too slowly, the user or the address has too many connections, or the "
        "server is overloaded or not ready.",
        AGAIN + " If it comes often: closes connections that it does not need.",
    ),
    CloseCode.BAD_REQUEST: ("A message is not of the protocol `graphql-transport-ws`.", FIX),
    CloseCode.UNAUTHORIZED: (
        "Not signed in, the token has expired, or the session was revoked.",
        "Calls `refreshSession`, then connects with the new token. If that is refused, shows the "
        "sign-in. Never connects again with the same token.",
    ),
    CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE: (
        "The client did not offer the subprotocol `graphql-transport-ws`.",
        FIX,
    ),
    CloseCode.INIT_TIMEOUT: (
        "No `connection_init` within 5 s.",
        "Sends it first of all. Gets its token before it connects.",
    ),
    CloseCode.SUBSCRIBER_EXISTS: ("The id of an operation is in use on this connection.", FIX),
    CloseCode.TOO_MANY_INIT_REQUESTS: ("`connection_init` came twice.", FIX),
}

# Codes that the server's websocket library, or the client's, gives by itself.
OTHER_CLOSES = {
    1000: ("The connection ended as its client asked.", "Does nothing."),
    1001: ("The page or the app was left.", "Connects again when it is opened."),
    1006: ("The connection was lost: no close frame came.", AGAIN),
    1007: ("A text frame is not UTF-8.", FIX),
    1011: ("A ping got no answer in time, or the server failed.", AGAIN),
}
