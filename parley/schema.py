"""The schema object: the contract as Strawberry builds it from the types and resolvers."""

import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
)
from graphql import print_schema as print_graphql_schema
from strawberry.tools import merge_types
from strawberry.types import get_object_definition

from resolvers.acknowledgements import AcknowledgementMutations
from resolvers.blocks import BlockMutations, BlockQueries
from resolvers.channels import ChannelMutations, ChannelQueries
from resolvers.devices import DeviceMutations, DeviceQueries
from resolvers.global_ids import GlobalIdQueries
from resolvers.groups import GroupMutations
from resolvers.invites import InviteMutations, InviteQueries
from resolvers.limits import LimitQueries
from resolvers.media import MediaMutations, MediaQueries
from resolvers.members import MemberMutations
from resolvers.message_changes import ChangeMutations
from resolvers.messages import MessageMutations
from resolvers.mutation_facts import complete_description
from resolvers.privacy import PrivacyMutations, PrivacyQueries
from resolvers.push import PushMutations, PushQueries
from resolvers.reports import ReportMutations
from resolvers.search import SearchQueries
from resolvers.sign_in import SignInMutations
from resolvers.typing import TypingMutations
from resolvers.users import UserMutations, UserQueries
from schema.channels.channels import Chat
from schema.channels.events import ChannelUpdated, LogAdvanced, MessageAdded, MessageUpdated
from schema.channels.groups import Group
from schema.channels.members import Member
from schema.channels.state_events import (
    ReceiptUpdated,
    TypingUpdated,
    ViewerChannelUpdated,
    ViewerUpdated,
)
from schema.channels.stream_events import InboxProgress, InboxReady, ResyncRequired, SessionExpiring
from schema.devices.devices import Device
from schema.scalars import make_schema_config
from subscriptions.subscription_fields import Subscription

# Root fields that need no viewer, and that ignore whatever token comes with them.
PUBLIC_FIELDS = frozenset({"requestCode", "signIn", "refreshSession", "limits"})

QUERIES = (
    UserQueries,
    GlobalIdQueries,
    ChannelQueries,
    InviteQueries,
    SearchQueries,
    DeviceQueries,
    LimitQueries,
    MediaQueries,
    PrivacyQueries,
    BlockQueries,
    PushQueries,
)
MUTATIONS = (
    SignInMutations,
    DeviceMutations,
    UserMutations,
    ChannelMutations,
    AcknowledgementMutations,
    GroupMutations,
    MemberMutations,
    InviteMutations,
    MessageMutations,
    MediaMutations,
    ChangeMutations,
    PrivacyMutations,
    BlockMutations,
    ReportMutations,
    TypingMutations,
    PushMutations,
)

# Those that only interfaces lead to.
TYPES = (
    Chat,
    Group,
    Member,
    Device,
    MessageAdded,
    MessageUpdated,
    ChannelUpdated,
    LogAdvanced,
    ReceiptUpdated,
    TypingUpdated,
    ViewerChannelUpdated,
    ViewerUpdated,
    InboxProgress,
    InboxReady,
    ResyncRequired,
    SessionExpiring,
)


def _merge(name: str, parts: tuple[type, ...], description: str) -> type:
    merged = merge_types(name, parts)
    get_object_definition(merged, strict=True).description = description
    return merged


def make_schema() -> strawberry.Schema:
    schema = strawberry.Schema(
        query=_merge(
            "Query", QUERIES, "What a client can read. Fields show only what the viewer may see."
        ),
        mutation=_merge(
            "Mutation",
            MUTATIONS,
            "What a client can change. The description of each field names the codes of its "
            "refusals, the events that it causes, and whether it may be sent again.",
        ),
        subscription=Subscription,
        types=TYPES,
        config=make_schema_config(),
    )
    _complete_mutations(schema._schema)
    _drop_null_defaults(schema._schema)
    _mark_one_of(schema._schema)
    return schema


def _complete_mutations(schema: GraphQLSchema) -> None:
    """Say in each mutation's description what it may answer and cause."""
    assert schema.mutation_type is not None
    for name, field in schema.mutation_type.fields.items():
        field.description = complete_description(name, field.description or "")


def _mark_one_of(schema: GraphQLSchema) -> None:
    """Strawberry checks `@oneOf` itself, and leaves graphql-core, which prints it, without it."""
    for type_ in schema.type_map.values():
        definition = type_.extensions.get("strawberry-definition")
        if isinstance(type_, GraphQLInputObjectType) and definition is not None:
            type_.is_one_of = definition.is_one_of


def _drop_null_defaults(schema: GraphQLSchema) -> None:
    """Python's `= None` only says that an argument may be left out; `= null` in the SDL would say
    more.
    """
    for type_ in schema.type_map.values():
        inputs: list[GraphQLArgument | GraphQLInputField] = []
        if isinstance(type_, GraphQLInputObjectType):
            inputs += type_.fields.values()
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            inputs += (
                argument for field in type_.fields.values() for argument in field.args.values()
            )
        for each in inputs:
            if each.default_value is None:
                each.default_value = Undefined


def print_schema() -> str:
    """Print the SDL, as committed in schema.graphql."""
    return print_graphql_schema(make_schema()._schema) + "\n"
