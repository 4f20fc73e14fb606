"""Close codes: the numbers with which a websocket is closed, and the reasons given with
them. Those below 4000 are RFC 6455's and IANA's, the others are graphql-transport-ws's.
"""

from enum import IntEnum


class CloseCode(IntEnum):
    """Say why a websocket is closed, and so what the client is to do next."""

    # The request comes from an origin or with a host that is not allowed.
    POLICY_VIOLATION = 1008
    # A frame is larger than the limit; the client has to be fixed.
    MESSAGE_TOO_BIG = 1009
    # A deploy, or a node that lost touch: connect again and resume by position.
    SERVICE_RESTART = 1012
    # Too slow, or too many connections: connect again, later.
    TRY_AGAIN_LATER = 1013
    # A message that is not of the protocol; the client has to be fixed.
    BAD_REQUEST = 4400
    # Not signed in, or the session is over: sign in or refresh before connecting again.
    UNAUTHORIZED = 4401
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    # The client sent no `connection_init` in time.
    INIT_TIMEOUT = 4408
    # The id of an operation is in use on this websocket.
    SUBSCRIBER_EXISTS = 4409
    # The client sent `connection_init` twice.
    TOO_MANY_INIT_REQUESTS = 4429


SERVICE_RESTART = "Service restart"
TOO_SLOW = "Too slow: connect again and resume by position"
TOO_MANY_CONNECTIONS = "Too many connections: close one, or try again later"
UNAUTHORIZED = "Unauthorized"
STREAM_FAILED = "The stream failed: connect again and resume by position"
