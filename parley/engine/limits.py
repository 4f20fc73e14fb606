"""The limits on a document's text and form, checked before validation.

What is checked here costs a few microseconds a token; what is behind it may cost more, because it
is bounded by this.
"""

from collections.abc import Iterator

from graphql import GraphQLError, GraphQLSyntaxError, parse
from graphql.language import (
    DocumentNode,
    FieldNode,
    ListValueNode,
    Node,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    VariableDefinitionNode,
)

from models.limits.limits import Limits
from parley.engine.errors import (
    INVALID_INPUT,
    LIMIT_EXCEEDED,
    PARSE_FAILED,
    OperationRefused,
    exceeded,
    with_code,
)
from parley.engine.variables import BAD_TEXT, is_bad_text

MAX_COMMENTS = 200
# Validation follows the fragments of each operation anew: 60 of each take 27 ms.
MAX_OPERATIONS = 20


def parse_document(text: str, limits: Limits) -> DocumentNode:
    """Parse a document into a tree.

    Raises:
        OperationRefused: LIMIT_EXCEEDED or GRAPHQL_PARSE_FAILED.
    """
    if _count_bytes(text) > limits.document_bytes:
        raise exceeded(f"A document may have {limits.document_bytes} bytes at most.")
    try:
        return parse(text, max_lexical_tokens=limits.query_tokens, max_comments=MAX_COMMENTS)
    except GraphQLSyntaxError as error:
        # graphql-core says so of its limits: tokens, comments, nesting.
        limit = error.message.endswith("Parsing aborted.")
        raise OperationRefused(
            [with_code(error, LIMIT_EXCEEDED if limit else PARSE_FAILED)]
        ) from None


def _count_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def require_modest(document: DocumentNode, limits: Limits) -> None:
    """Count what is written in the document, fragments once.

    Raises:
        OperationRefused: LIMIT_EXCEEDED; INVALID_INPUT for text that cannot be stored.
    """
    operations = [
        each for each in document.definitions if isinstance(each, OperationDefinitionNode)
    ]
    if len(operations) > MAX_OPERATIONS:
        raise exceeded(f"A document may have {MAX_OPERATIONS} operations at most.", operations[-1])
    aliases = 0
    for node in walk(*document.definitions):
        aliases += _is_costly_alias(node)
        directives = len(getattr(node, "directives", None) or ())
        if aliases > limits.query_aliases:
            raise exceeded(f"At most {limits.query_aliases} aliases are allowed.", node)
        if directives > limits.query_directives:
            raise exceeded(
                f"At most {limits.query_directives} directives are allowed in one place.", node
            )
        if isinstance(node, StringValueNode) and is_bad_text(node.value):
            raise OperationRefused(
                [GraphQLError(BAD_TEXT, node, extensions={"code": INVALID_INPUT})]
            )


def _is_costly_alias(node: Node) -> bool:
    """Return whether the node gives a field another name. `__typename` costs nothing, and some
    clients give it a name in each selection.
    """
    alias = getattr(node, "alias", None)
    return alias is not None and isinstance(node, FieldNode) and node.name.value != "__typename"


def walk(*definitions: Node) -> Iterator[Node]:
    """Every selection, directive and value of the definitions, fragments not entered."""
    pending: list[Node] = list(definitions)
    while pending:
        node = pending.pop()
        yield node
        pending.extend(_children(node))


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, ListValueNode):
        yield from node.values
    elif isinstance(node, ObjectValueNode):
        yield from (field.value for field in node.fields)
    elif isinstance(node, VariableDefinitionNode):
        yield from [node.default_value] if node.default_value else ()
    else:
        selection_set: SelectionSetNode | None = getattr(node, "selection_set", None)
        yield from selection_set.selections if selection_set else ()
        yield from getattr(node, "variable_definitions", None) or ()
        yield from (argument.value for argument in getattr(node, "arguments", None) or ())
    yield from getattr(node, "directives", None) or ()
