"""Limits and budgets of the product, each with its unit. Each is a setting (`PARLEY_…`), and
clients can query the public ones.
"""

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """At most `amount` units in any window of `window_s` seconds. A token bucket holds `amount`
    tokens; used ones come back evenly, all of them within `window_s`.
    """

    amount: int
    window_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one user, one document and one socket may use. The defaults are those of production."""

    # Conversation
    group_members: int = 100
    group_invites: int = 20  # invites of one group that are in force at once
    invite_uses: int = 1000  # `maxUses` of one invite, at most
    message_length: int = 4096  # characters (code points)
    edit_window_s: int = 900  # for how long after sending a message can be edited
    client_message_id_length: int = 64  # characters
    name_length: int = 100  # characters: a user's or a device's name
    about_length: int = 500  # characters
    description_length: int = 500  # characters: a group's description
    label_length: int = 200  # characters: a location's label
    mentions: int = 100  # users named in one message
    report_reason_length: int = 1000  # characters
    blocked_users: int = 1000  # users that one user may have blocked
    page_size: int = 100  # edges in one page, at most
    default_page_size: int = 50
    unread_count: int = 1000  # unread counts stop here
    node_ids: int = 100  # ids in one `nodes` call
    phone_numbers: int = 100  # numbers in one `usersByPhone` call
    search_length: int = 200  # characters of a search
    search_words: int = 10  # words of a search
    search_deadline_s: float = 2.0  # a search that takes longer is given up
    position_inputs: int = 1000  # channels named in one `acknowledge` or `inbox`

    # One document
    query_depth: int = 10
    query_cost: int = 5000
    query_aliases: int = 15
    query_root_fields: int = 10
    query_tokens: int = 1000
    persisted_documents: int = 1000  # documents that clients may name by hash alone; 0: none
    document_bytes: int = (
        64 * 1024
    )  # of a document's text: a thousand tokens take some ten thousand
    query_directives: int = 5

    # One request, one socket
    connections: int = 20_000  # of one API process, sockets included; and never more than its files
    request_head_s: float = 10.0  # a request whose headers have not arrived by then is ended
    request_body_s: float = 10.0  # the same for its body, counted from the end of the headers
    body_bytes: int = 256 * 1024
    compressed_bytes: int = (
        1024  # larger answers over HTTP are compressed for who can read it; 0: none
    )
    frame_bytes: int = 64 * 1024
    request_deadline_s: float = 5.0
    connection_init_s: float = 5.0
    ping_interval_s: float = 20.0
    ping_timeout_s: float = 20.0  # a socket that does not answer a ping for this long is closed
    operations_per_socket: int = 100
    # Sockets and streams of server-sent events that are open at once, over all processes
    connections_per_user: int = 20
    connections_per_address: int = 2000  # of those who are signed in
    signed_out_connections_per_address: int = 100
    # What waits for one client that is slower than its events: a socket, or a stream of
    # server-sent events. More ends the stream (1013, or cut), and the client resumes by position.
    queued_events_per_socket: int = 1000
    queued_bytes_per_socket: int = 1024 * 1024
    stopped_reader_s: float = 5.0  # a client that reads nothing for so long is disconnected
    # Objects (as `query_cost` counts them) that one event may make all live subscriptions of one
    # socket, or of one device's streams of server-sent events, give together.
    live_cost: int = 5000
    # Documents of one user's live subscriptions, on one process; one of 500 tokens takes 300 kB
    followed_document_bytes: int = 4 * 1024 * 1024

    # Live delivery
    replay_entries: int = (
        1000  # entries of one channel that are replayed; further back says ResyncRequired
    )

    # Media
    image_upload_bytes: int = 50_000_000  # of a file of that kind; none is above 2,000,000,000
    video_upload_bytes: int = 500_000_000
    audio_upload_bytes: int = 100_000_000
    file_upload_bytes: int = 2_000_000_000
    file_name_length: int = 255  # characters
    media_per_message: int = 10
    stored_media: int = 200  # files named in one `acknowledge`
    upload_ttl_s: int = 24 * 3600  # an upload that is not complete by then is given up
    upload_url_ttl_s: int = 300  # a signed request must be begun by then
    uploads_per_user: Budget = Budget(amount=2000, window_s=24 * 3600)
    upload_megabytes_per_user: Budget = Budget(amount=20_000, window_s=24 * 3600)
    media_jobs_per_user: int = 2  # files of one user worked on at once in a lane, over all workers
    media_delete_after_delivery: int = 0  # 1: files go once every member has stored them
    media_kept_days: int = 30  # after which they go in any case, where files go after delivery

    # Push
    push_look_s: float = 2.0  # how long after a message to check which devices have received it
    push_check_s: float = (
        10.0  # a device that seems online and has not received by then gets a push
    )
    push_active_s: float = 60.0  # a device is not pushed to while its user is active at another
    push_mail_after_s: float = 600.0  # unread for so long, then e-mail; and between two e-mails
    push_sms_after_s: float = 3600.0  # unread for so long, then SMS, where SMS is on
    push_sms_interval_s: float = 24 * 3600.0  # between two SMS to one device
    push_mail_code_ttl_s: int = 3600  # a code that was sent by mail
    push_mail_code_interval_s: int = 60  # between two mails with a code of one user and address
    push_mail_codes_per_user: Budget = Budget(amount=5, window_s=24 * 3600)
    push_mail_codes_per_address: Budget = Budget(amount=3, window_s=24 * 3600)  # for all users
    push_claim_s: float = 5.0  # how long a job that died holds up its device and channel
    push_probe_s: float = 5.0  # between two tries of a provider that gives no answer
    push_recovery_s: float = 15.0  # from a provider's first answer until all that waited is sent

    # Presence and typing
    presence_user_ids: int = 100  # users named in one `presence`
    presence_followed: int = 1000  # users whose presence one viewer follows, on one process
    presence_grace_s: float = 6.0  # from the end of somebody's last stream until they are offline
    presence_idle_s: float = 30.0  # how long a request keeps its sender online
    presence_lease_s: float = 10.0  # a process that died holds nobody online for longer
    presence_poll_s: float = 5.0  # between two looks at those who are followed; changes come sooner
    presence_settle_s: float = 5.0  # after Valkey lost everything, until an absence is believed
    typing_interval_s: float = 3.0  # between two announcements that one person types in one channel
    typing_ttl_s: float = 6.0  # for how long an announcement holds; not less than the interval

    # Sign-in
    code_ttl_s: int = 600
    code_tries: int = 5
    code_interval_s: int = 30  # between two codes for one number, asked for by one address
    # Those that follow are counted in two shares, each of this size: for networks from which the
    # number's owner was let in before, and for all others.
    codes_side_by_side: int = 3  # codes of one number in force at once
    codes_per_number_and_address: Budget = Budget(amount=5, window_s=3600)
    codes_per_number: Budget = Budget(amount=6, window_s=3600)
    codes_per_number_daily: Budget = Budget(amount=12, window_s=24 * 3600)
    codes_per_prefix: Budget = Budget(
        amount=100, window_s=3600
    )  # numbers alike but for the last four digits
    codes_per_address: Budget = Budget(amount=10, window_s=3600)
    codes_per_network: Budget = Budget(amount=50, window_s=3600)  # a /24 of IPv4, a /48 of IPv6
    codes_per_country: Budget = Budget(amount=30, window_s=60)  # the number's; well below overall
    codes_overall: Budget = Budget(amount=150, window_s=60)
    sign_ins_per_address: Budget = Budget(amount=60, window_s=3600)  # without a code in force
    access_token_ttl_s: int = 900
    refresh_token_ttl_s: int = 60 * 24 * 3600
    refresh_grace_s: int = 10
    session_expiring_notice_s: int = 60
    reports_per_user: Budget = Budget(amount=50, window_s=24 * 3600)
    contact_numbers_per_user: Budget = Budget(amount=5000, window_s=24 * 3600)
    contact_numbers_per_address: Budget = Budget(amount=20_000, window_s=24 * 3600)
    contact_numbers_overall: Budget = Budget(amount=2_000_000, window_s=3600)

    refusal_pause_s: float = (
        0.1  # before a connection is heard again on which something passed a budget
    )
    # What one user, or one address, does and asks: token buckets (models/buckets.py). A person
    # meets none of them: Sendbird lets one send 5 messages a second, Discord 2, Zulip ask 200
    # times a minute; a phone that was away for a day sends what it kept, all at once
    sends_per_user: Budget = Budget(amount=600, window_s=60)
    message_changes_per_user: Budget = Budget(amount=300, window_s=60)  # edits and deletions
    reactions_per_user: Budget = Budget(amount=180, window_s=60)
    typing_per_user: Budget = Budget(amount=300, window_s=60)
    acknowledgements_per_user: Budget = Budget(amount=20_000, window_s=60)  # positions named
    chats_opened_per_user: Budget = Budget(amount=600, window_s=3600)
    groups_created_per_user: Budget = Budget(amount=100, window_s=3600)
    groups_joined_per_user: Budget = Budget(amount=200, window_s=3600)
    members_added_per_user: Budget = Budget(amount=3000, window_s=3600)  # also to new groups
    group_changes_per_user: Budget = Budget(amount=1000, window_s=3600)  # names, roles, invites …
    setting_changes_per_user: Budget = Budget(
        amount=1000, window_s=3600
    )  # profile, privacy, blocks, mutes, devices and push; reports
    upload_steps_per_user: Budget = Budget(
        amount=600, window_s=60
    )  # uploads begun, completed or looked at
    searches_per_user: Budget = Budget(amount=120, window_s=60)
    streams_per_user: Budget = Budget(amount=600, window_s=60)  # subscriptions begun
    read_cost_per_user: Budget = Budget(amount=300_000, window_s=60)  # the summed cost of documents
    read_cost_per_address: Budget = Budget(
        amount=300_000, window_s=60
    )  # of documents of those who are not signed in
    # Of websockets, a frame counts as one and one for each KiB; past it a socket is heard ten times
    # a second. Of HTTP, bodies of more than 16 KiB count, before they are looked at
    frames_per_user: Budget = Budget(amount=1000, window_s=10)
    frames_per_address: Budget = Budget(amount=1000, window_s=10)  # where nobody is signed in
    body_kilobytes_per_address: Budget = Budget(amount=20_000, window_s=10)
    sign_in_steps_per_address: Budget = Budget(
        amount=3000, window_s=60
    )  # codes asked for, sign-ins and refreshes, whatever comes of them
    # Documents that no cache holds, in pieces of 500 characters: reading one takes up to 6 ms of a
    # process. A front end has some hundred documents, and anybody's use of one keeps it.
    new_documents_per_user: Budget = Budget(amount=600, window_s=60)
    new_documents_per_address: Budget = Budget(amount=600, window_s=60)


def list_budgets(limits: Limits) -> dict[str, Budget]:
    """Return every budget by the name of its field."""
    values = ((each.name, getattr(limits, each.name)) for each in dataclasses.fields(limits))
    return {name: value for name, value in values if isinstance(value, Budget)}


def name_of(budget: str) -> str:
    """Return the name that clients know a budget by: `sends_per_user` is sendsPerUser."""
    first, *others = budget.split("_")
    return first + "".join(word.capitalize() for word in others)
