"""The limits in force; anybody may ask."""

import strawberry

from models.limits import limits
from schema.context import context_of
from schema.limits import Limits


@strawberry.type
class LimitQueries:
    @strawberry.field(description="The limits that this server applies.", graphql_type=Limits)
    def limits(self, info: strawberry.Info) -> limits.Limits:
        return context_of(info).resources.limits
