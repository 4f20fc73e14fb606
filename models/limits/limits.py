"""Limits and budgets of the product. Each is a setting (`PARLEY_…`), and clients can query the
public ones.
"""

import dataclasses
from dataclasses import dataclass

from models.limits.rate_limits import Budget, RateLimits, limit
from models.limits.variables import VARIABLE

__all__ = ["DEVELOPMENT_LIMITS", "Budget", "Limits", "list_budgets", "name_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(RateLimits):
    """What one user, one document and one socket may use. The defaults are those of production."""

    # Conversation
    group_members: int = limit(100, "members of a group")
    group_invites: int = limit(20, "invites of a group in force at once")
    invite_uses: int = limit(1000, "uses that an invite may allow")
    message_length: int = limit(4096, "characters (code points) of a message")
    edit_window_s: int = limit(900, "seconds after sending within which a message can be edited")
    client_message_id_length: int = limit(64, "characters of a `clientMessageId`")
    name_length: int = limit(100, "characters of a user's or device's name")
    about_length: int = limit(500, "characters of a user's about")
    description_length: int = limit(500, "characters of a group's description")
    label_length: int = limit(200, "characters of a location's label")
    mentions: int = limit(100, "users named in a message")
    report_reason_length: int = limit(1000, "characters of a report's reason")
    blocked_users: int = limit(1000, "users that one user may have blocked")
    page_size: int = limit(100, "edges in a page")
    default_page_size: int = limit(50, "edges in a page whose size the client does not say")
    unread_count: int = limit(1000, "the number at which unread counts stop")
    node_ids: int = limit(100, "ids in one call of `nodes`")
    phone_numbers: int = limit(100, "numbers in one call of `usersByPhone`")
    search_length: int = limit(200, "characters of a search")
    search_words: int = limit(10, "words of a search")
    search_deadline_s: float = limit(2.0, "seconds for a search; one that takes longer is given up")
    position_inputs: int = limit(1000, "channels in one call of `acknowledge` or `inbox`")

    # One document
    query_depth: int = limit(10, "levels of a document")
    query_cost: int = limit(5000, "cost of a document, computed before it runs")
    query_aliases: int = limit(15, "aliases in a document")
    query_root_fields: int = limit(10, "root fields of an operation")
    query_tokens: int = limit(1000, "tokens of a document")
    persisted_documents: int = limit(
        1000,
        "documents that one process keeps for clients that send the hash alone (automatic "
        "persisted queries); 0 turns that off",
    )
    document_bytes: int = limit(64 * 1024, "bytes of a document's text")
    query_directives: int = limit(5, "directives in one place of a document")

    # One request, one socket
    connections: int = limit(
        20_000,
        "connections of one API process, sockets included, and never more than its limit of "
        "open files less 256; one more gets 503",
    )
    request_head_s: float = limit(
        10.0,
        "seconds within which the head of a request must be here; then the connection is ended",
    )
    request_body_s: float = limit(10.0, "seconds after its head within which the body must be here")
    body_bytes: int = limit(256 * 1024, "bytes of a request's body")
    compressed_bytes: int = limit(
        1024,
        "answers over HTTP of this size or more are compressed (br, gzip) for clients that can "
        "read it; 0 turns that off, for example behind a proxy that does it",
    )
    frame_bytes: int = limit(
        64 * 1024, "bytes of a websocket frame; past it the socket closes with 1009"
    )
    request_deadline_s: float = limit(
        5.0,
        "seconds for a query or mutation, over HTTP and on sockets; a mutation still runs to "
        "its end",
    )
    connection_wait_s: float = limit(
        4.0,
        "seconds a request waits for a connection to PostgreSQL; then UNAVAILABLE. Less than "
        "`request_deadline_s`",
    )
    statement_timeout_s: float = limit(
        5.0, "seconds a request's statement may take in PostgreSQL; then UNAVAILABLE"
    )
    replica_wait_s: float = limit(
        0.5,
        "seconds a page waits for the replica of `READ_DATABASE_URL`; then the primary is asked",
    )
    job_queue_wait_s: float = limit(
        1.0,
        "seconds a request waits for the queue of jobs, to connect and to answer each; then a "
        "worker queues its jobs later. Less than half of `request_deadline_s`",
    )
    commit_deadline_s: float = limit(
        4.5,
        "seconds within which a message or an acknowledgement must be committed; then UNAVAILABLE. "
        "Less than `request_deadline_s`",
    )
    bucket_wait_s: float = limit(
        0.3,
        "seconds for Valkey to fill a process's token buckets; then the process counts by itself "
        "for a moment",
    )
    connection_init_s: float = limit(5.0, "seconds for `connection_init`; then 4408")
    ping_interval_s: float = limit(20.0, "seconds between pings to a websocket")
    ping_timeout_s: float = limit(
        20.0, "seconds that a ping's answer may take; then the socket is closed"
    )
    operations_per_socket: int = limit(
        100, "operations at once on a socket; one counts until its work has ended"
    )
    # Sockets and streams of server-sent events that are open at once, over all processes
    connections_per_user: int = limit(
        20,
        "sockets and streams that a user has open at once; then 1013, over HTTP 429",
        development=100000,
    )
    connections_per_address: int = limit(
        2000,
        "the same for all signed-in users at one address; behind a proxy, set "
        "`PARLEY_TRUSTED_PROXIES`, or all count as one address",
        development=1000000,
    )
    signed_out_connections_per_address: int = limit(
        100, "sockets at an address on which nobody is signed in, or not yet", development=100000
    )
    # What waits for one client that is slower than its events: a socket, or a stream of
    # server-sent events. More ends the stream (1013, or cut), and the client resumes by position.
    queued_events_per_socket: int = limit(
        1000, "events that a slow reader may be behind; then 1013"
    )
    queued_bytes_per_socket: int = limit(
        1024 * 1024, "bytes that a slow reader may be behind; then 1013"
    )
    stopped_reader_s: float = limit(
        5.0,
        "seconds after which a client that takes nothing of what waits for it is closed with 1013",
    )
    # Objects (as `query_cost` counts them) that one event may make all live subscriptions of one
    # socket, or of one device's streams of server-sent events, give together.
    live_cost: int = limit(
        5000, "objects that one event may make all subscriptions of a socket give together"
    )
    # Documents of one user's live subscriptions, on one process; one of 500 tokens takes 300 kB
    followed_document_bytes: int = limit(
        4 * 1024 * 1024,
        "bytes of memory for the documents of a user's live subscriptions, on one process; "
        "some 600 a token",
        development=1024 * 1024 * 1024,
    )

    # Live delivery
    replay_entries: int = limit(
        1000, "entries replayed of a channel; further back, `ResyncRequired`"
    )
    streams_per_device: int = limit(
        10, "streams of the inbox with a `streamId` that are kept of a device"
    )
    stream_kept_days: int = limit(
        30, "days that a `streamId` without use, and a cursor of the inbox, are good for"
    )
    stream_id_length: int = limit(64, "characters of a `streamId`")
    progress_interval_s: int = limit(
        30,
        "seconds after something was sent until `InboxProgress` follows, where the client does not "
        "say `heartbeatSeconds`",
    )
    progress_entries: int = limit(200, "entries of a replay between two `InboxProgress`")

    # Media
    image_upload_bytes: int = limit(50_000_000, "bytes of an uploaded picture")
    video_upload_bytes: int = limit(500_000_000, "bytes of an uploaded video")
    audio_upload_bytes: int = limit(100_000_000, "bytes of an uploaded sound")
    file_upload_bytes: int = limit(
        2_000_000_000, "bytes of any other uploaded file; no file is above 2,000,000,000"
    )
    file_name_length: int = limit(255, "characters of a file's name")
    media_per_message: int = limit(10, "files of a message")
    stored_media: int = limit(200, "files named in one call of `acknowledge`")
    upload_ttl_s: int = limit(
        24 * 3600, "seconds after which an upload that is not complete is given up"
    )
    upload_url_ttl_s: int = limit(
        300, "seconds within which a signed request of an upload must be begun"
    )
    media_jobs_per_user: int = limit(
        2, "files of one user that are worked on at once in a lane, over all workers"
    )
    media_delete_after_delivery: int = limit(
        0, "1: the files of messages are deleted once every member has stored them"
    )
    media_kept_days: int = limit(
        30, "days after which files go in any case, where files go after delivery"
    )

    # Push
    push_look_s: float = limit(
        2.0,
        "seconds after a message until we check which devices have it; a phone that has not, "
        "while another device has, gets a push",
    )
    push_check_s: float = limit(
        10.0, "seconds after which a device that seems online and has not received gets a push"
    )
    push_active_s: float = limit(
        60.0,
        "seconds for which a device is not pushed to after its user did something at another; "
        "0: never",
    )
    push_mail_after_s: float = limit(600.0, "seconds unread until an e-mail, and between two")
    push_sms_after_s: float = limit(3600.0, "seconds unread until an SMS")
    push_sms_interval_s: float = limit(24 * 3600.0, "seconds between two SMS to a device")
    push_mail_code_ttl_s: int = limit(
        3600, "seconds for which a code that confirms a mail address works"
    )
    push_mail_code_interval_s: int = limit(
        60, "at least: seconds between two mails with a code of one user to one address"
    )
    push_claim_s: float = limit(
        5.0,
        "seconds for which a push job whose worker died keeps others of its device and "
        "channel waiting",
    )
    push_probe_s: float = limit(
        5.0, "seconds between two tries of a push provider that gives no answer"
    )
    push_recovery_s: float = limit(
        15.0,
        "seconds from a push provider's first answer until everything that waited for it is sent",
    )

    # Presence and typing
    presence_user_ids: int = limit(100, "users in one `presence` subscription")
    presence_followed: int = limit(1000, "users whose presence one viewer follows, on one process")
    presence_grace_s: float = limit(
        6.0, "seconds between the end of a user's last stream and offline"
    )
    presence_idle_s: float = limit(30.0, "seconds after the last request over HTTP until offline")
    presence_lease_s: float = limit(
        10.0, "seconds for which a process that died holds anybody online"
    )
    presence_poll_s: float = limit(
        5.0,
        "seconds between two checks of the users who are followed; changes usually arrive sooner",
    )
    presence_settle_s: float = limit(
        5.0, "seconds after Valkey lost everything until an absence is believed"
    )
    typing_interval_s: float = limit(
        3.0, "seconds between two announcements that one user types in one channel"
    )
    typing_ttl_s: float = limit(
        6.0, "seconds after which typing ends by itself; not less than the interval"
    )

    # Sign-in
    code_ttl_s: int = limit(600, "seconds for which a one-time code is valid")
    code_tries: int = limit(5, "guesses of a one-time code")
    code_interval_s: int = limit(
        30, "at least: seconds between two codes for a number from one address", development=0
    )
    # Those that follow are counted in two shares, each of this size: for networks from which the
    # number's owner was let in before, and for all others.
    codes_side_by_side: int = limit(3, "codes of a number in force at once ‡", development=1000)
    access_token_ttl_s: int = limit(900, "seconds for which an access token is valid")
    refresh_token_ttl_s: int = limit(
        60 * 24 * 3600, "seconds for which an unused refresh token is valid"
    )
    refresh_grace_s: int = limit(
        10, "seconds for which the old pair of tokens works once the new one was accepted"
    )
    session_expiring_notice_s: int = limit(
        60, "seconds of notice before a socket's session expires"
    )


# A developer signs in thousands of test people from one address within a day, and has them do all
# that a bench can. The token buckets are on, and fill a thousand times as fast.
DEVELOPMENT_LIMITS = Limits(
    **{
        each.name: each.metadata[VARIABLE].unset(True)
        for each in dataclasses.fields(Limits)
        if each.metadata[VARIABLE].raised
    }
)


def list_budgets(limits: Limits) -> dict[str, Budget]:
    """Return every budget by the name of its field."""
    values = ((each.name, getattr(limits, each.name)) for each in dataclasses.fields(limits))
    return {name: value for name, value in values if isinstance(value, Budget)}


def name_of(budget: str) -> str:
    """Return the name that clients know a budget by: `sends_per_user` is sendsPerUser."""
    first, *others = budget.split("_")
    return first + "".join(word.capitalize() for word in others)
