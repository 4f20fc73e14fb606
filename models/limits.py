"""Every limit and budget of the product, with its unit; each is a setting, and a client reads the
public ones.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """At most `amount` units in any window of `window_s` seconds."""

    amount: int
    window_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one person, one document and one socket may ask for. Defaults are those of
    production.
    """

    # Conversation
    group_members: int = 100
    message_length: int = 4096  # characters (code points)
    client_message_id_length: int = 64  # characters
    name_length: int = 100  # characters: a user's or a device's name
    about_length: int = 500  # characters
    label_length: int = 200  # characters: a location's label
    mentions: int = 100  # people named in one message
    page_size: int = 100  # edges in one page, at most
    default_page_size: int = 50
    unread_count: int = 1000  # unread counts stop here
    node_ids: int = 100  # ids in one `nodes` call
    phone_numbers: int = 100  # numbers in one `usersByPhone` call
    position_inputs: int = 1000  # channels named in one `acknowledge` or `inbox`

    # One document (attacks.md A1 to A4)
    query_depth: int = 10
    query_cost: int = 5000
    query_aliases: int = 15
    query_root_fields: int = 10
    query_tokens: int = 1000
    query_directives: int = 5

    # One request, one socket
    body_bytes: int = 256 * 1024
    frame_bytes: int = 64 * 1024
    request_deadline_s: float = 5.0
    connection_init_s: float = 5.0
    operations_per_socket: int = 100
    queued_events_per_socket: int = 1000
    queued_bytes_per_socket: int = 1024 * 1024

    # Live delivery
    replay_entries: int = (
        1000  # entries of one channel that are replayed; further back says ResyncRequired
    )

    # Sign-in
    code_ttl_s: int = 600
    code_tries: int = 5
    code_interval_s: int = 30  # between two codes for one number
    codes_per_number: Budget = Budget(amount=5, window_s=3600)
    codes_per_prefix: Budget = Budget(
        amount=100, window_s=3600
    )  # numbers alike but for the last four digits
    codes_per_address: Budget = Budget(amount=10, window_s=3600)
    codes_overall: Budget = Budget(amount=3000, window_s=60)
    wrong_codes_per_number: Budget = Budget(
        amount=10, window_s=3600
    )  # whatever codes they were guesses at
    sign_ins_per_address: Budget = Budget(amount=60, window_s=3600)
    access_token_ttl_s: int = 900
    refresh_token_ttl_s: int = 60 * 24 * 3600
    refresh_grace_s: int = 10
    session_expiring_notice_s: int = 60
    contact_numbers_per_user: Budget = Budget(amount=5000, window_s=24 * 3600)
