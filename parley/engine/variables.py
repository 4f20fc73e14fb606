"""Variables: types looked up once per operation, values checked for each execution.

No text with a NUL or a lone surrogate comes here: PostgreSQL refuses the one and UTF-8 the other,
far too late, so the transport looks for them in the raw bytes (`parley.transport.strict_json`).
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from graphql import GraphQLError, GraphQLSchema, Undefined, is_non_null_type
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import (
    VariableValues,
    VariableValueSource,
    get_variable_values,
)
from graphql.language import VariableDefinitionNode
from graphql.utilities.coerce_input_value import coerce_default_value

from parley.engine.coercion import Coerce, Coercers
from parley.engine.errors import INVALID_INPUT, OperationRefused, with_code

MAX_ERRORS = 10

_BAD_CHARACTER = re.compile("[\0\ud800-\udfff]")

BAD_TEXT = "Text may not hold a NUL character or a lone surrogate."


class _Variable(NamedTuple):
    name: str
    signature: GraphQLVariableSignature
    nullable: bool
    coerce: Coerce


class Variables:
    """The variables that one operation declares."""

    def __init__(
        self,
        schema: GraphQLSchema,
        nodes: tuple[VariableDefinitionNode, ...],
        coercers: Coercers,
        *,
        hide_suggestions: bool,
    ) -> None:
        self._schema = schema
        self._nodes = nodes
        self._hide_suggestions = hide_suggestions
        self._variables = [
            _Variable(
                signature.name,
                signature,
                not is_non_null_type(signature.type),
                coercers.find(signature.type),
            )
            for signature in (get_variable_signature(schema, node) for node in nodes)
            if isinstance(signature, GraphQLVariableSignature)
        ]

    def coerce(self, inputs: Mapping[str, Any] | None) -> VariableValues:
        """Return the values as the resolvers want them.

        Raises:
            OperationRefused: INVALID_INPUT, for every value that is not of its type.
        """
        if not self._variables:
            return VariableValues({}, {})
        given = inputs or {}
        return self._coerce_fast(given) or self._coerce_slowly(dict(given))

    def _coerce_fast(self, given: Mapping[str, Any]) -> VariableValues | None:
        """As graphql-core does, without looking up the types again; None when anything is wrong."""
        try:
            return self._coerce_known(given)
        except Exception:
            return None

    def _coerce_known(self, given: Mapping[str, Any]) -> VariableValues | None:
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for name, signature, nullable, coerce in self._variables:
            value = given.get(name, Undefined)
            sources[name] = VariableValueSource(signature, value)
            if value is not Undefined:
                coerced[name] = coerce(value)
            elif signature.default is not None:
                coerced[name] = coerce_default_value(signature)
            elif not nullable:
                return None
        return VariableValues(sources, coerced)

    def _coerce_slowly(self, given: dict[str, Any]) -> VariableValues:
        """graphql-core finds the words for what is wrong."""
        values = get_variable_values(
            self._schema,
            self._nodes,
            given,
            max_errors=MAX_ERRORS,
            hide_suggestions=self._hide_suggestions,
        )
        if isinstance(values, list):
            raise OperationRefused([with_code(error, INVALID_INPUT) for error in values])
        return values


def is_bad_text(text: str) -> bool:
    """Return True if PostgreSQL or UTF-8 would refuse the text."""
    return "\0" in text if text.isascii() else _BAD_CHARACTER.search(text) is not None


def refuse_text(where: str) -> OperationRefused:
    """Return why nothing is done with variables of which one, at that place, holds such a text."""
    return OperationRefused(
        [
            GraphQLError(
                f"Variable '${where}' has invalid value: {BAD_TEXT}",
                extensions={"code": INVALID_INPUT, "field": where},
            )
        ]
    )
