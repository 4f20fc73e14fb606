"""Which table is distributed by which column, where the database is distributed by Citus.

Tables of one group have their rows of one key in the same place. What is in no group stays on the
coordinator: the queue of jobs, and the gates and parked pushes beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

# Enough for 64 nodes that are split once; the shards of a group cannot be changed cheaply later.
DEFAULT_SHARDS = 128
MOST_SHARDS = 4096


@dataclass(frozen=True, slots=True)
class Group:
    """Tables by column; the first table is the one that the others are placed beside."""

    tables: dict[str, str]
    # SQL functions with this parameter run where the rows of that key are.
    parameter: str | None = None

    @property
    def first(self) -> str:
        return next(iter(self.tables))


def _by(column: str, *tables: str) -> dict[str, str]:
    return dict.fromkeys(tables, column)


GROUPS = (
    Group(
        {"channels": "id"}
        | _by("channel_id", "members", "groups", "invites", "messages", "changes", "receipts")
        | _by("channel_id", "outbox", "search_heads", "search_blocks"),
        parameter="p_channel_id",
    ),
    Group(
        {"users": "id"}
        | _by("user_id", "user_phone_numbers", "contacts", "blocks", "blocked_by", "reports")
        | _by("user_id", "devices", "known_networks", "user_channels", "device_positions")
        | _by("user_id", "inbox_streams")
        | _by("user_id", "inbox_streams")
        | _by("user_id", "push_endpoints", "push_mails", "push_settings", "push_states"),
        parameter="p_user_id",
    ),
    Group({"phone_numbers": "number", "sign_in_codes": "number", "budgets": "key"}),
    Group({"push_addresses": "digest", "media_contents": "digest"}),
    Group(_by("bucket", "revocations", "duties", "profile_changes", "due_jobs")),
    Group({"media": "id"} | _by("media_id", "media_uses", "media_stored")),
)
# The queue of jobs, and what is beside it wherever that is.
WITH_JOBS = ("jobs", "queued_due_jobs", "push_gates", "push_parked")
# Small, and asked of every node.
EVERYWHERE = ("alembic_version",)

IS_DISTRIBUTED = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"


def list_statements(shards: int) -> Iterator[str]:
    """Statements that distribute what is not distributed yet, for the coordinator. `shards` counts
    for groups that have no table distributed so far.
    """
    # What was made in this transaction is not yet known to other connections.
    yield "SET LOCAL citus.multi_shard_modify_mode = 'sequential'"
    for table in EVERYWHERE:
        yield _unless_done(table, f"create_reference_table('{table}')")
    for group in GROUPS:
        yield from _list_of_group(group, shards)


def _list_of_group(group: Group, shards: int) -> Iterator[str]:
    for table, column in group.tables.items():
        beside = (
            f"colocate_with => 'none', shard_count => {shards}"
            if table == group.first
            else f"colocate_with => '{group.first}'"
        )
        yield _unless_done(table, f"create_distributed_table('{table}', '{column}', {beside})")
    if group.parameter is not None:
        yield (
            f"SELECT create_distributed_function(p.oid::regprocedure, '{group.parameter}', "
            f"colocate_with => '{group.first}') FROM pg_proc p "
            "WHERE p.pronamespace = 'public'::regnamespace "
            f"AND '{group.parameter}' = ANY (p.proargnames) "
            "AND NOT EXISTS (SELECT FROM pg_catalog.pg_dist_object o WHERE o.objid = p.oid "
            "AND o.distribution_argument_index IS NOT NULL)"
        )


def _unless_done(table: str, call: str) -> str:
    return (
        f"SELECT {call} WHERE NOT EXISTS "
        f"(SELECT FROM pg_dist_partition WHERE logicalrelid = '{table}'::regclass)"
    )
