"""Documents: each text is parsed, limited and validated once, and kept while it is used.

Only documents that validated are kept, the least recently used go first, and the memory they take
is bounded: a thousand distinct documents of a thousand tokens would be most of a gigabyte. What
follows from their use is counted apart (`shapes.ShapeMemory`).
"""

from collections import OrderedDict
from collections.abc import Mapping

from graphql import GraphQLError, specified_rules, validate
from graphql.language import (
    DocumentNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from models.limits.limits import Limits
from parley.engine.errors import VALIDATION_FAILED, OperationRefused, with_code
from parley.engine.facts import SchemaFacts
from parley.engine.limits import parse_document, require_modest
from parley.engine.operation import Operation
from parley.engine.outline import Outliner
from parley.engine.shapes import ShapeMemory

MAX_DOCUMENTS = 1000
MAX_KEPT_TEXT = 16 * 1024
# Measured: 200 to 620 bytes a token; an operation that is executed takes more (shapes.py).
BYTES_PER_TOKEN = 600
# What an operation takes besides its tokens.
BYTES_PER_OPERATION = 3000
MAX_KEPT_BYTES = 32 * 1024 * 1024

MAX_VALIDATION_ERRORS = 10

_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


class Documents:
    """The operations of documents, by text."""

    def __init__(
        self,
        facts: SchemaFacts,
        limits: Limits,
        *,
        public_fields: frozenset[str],
        public_introspection: bool,
        hide_suggestions: bool,
        max_documents: int = MAX_DOCUMENTS,
        max_kept_bytes: int = MAX_KEPT_BYTES,
        memory: ShapeMemory | None = None,
    ) -> None:
        self.memory = ShapeMemory() if memory is None else memory
        self._facts = facts
        self._limits = limits
        self._max_documents = max_documents
        self._max_kept_bytes = max_kept_bytes
        self._public_fields = public_fields
        self._public_introspection = public_introspection
        self._hide_suggestions = hide_suggestions
        self._kept: OrderedDict[str, tuple[dict[str | None, Operation], int]] = OrderedDict()
        self._kept_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, text: str) -> bool:
        return text in self._kept

    @property
    def kept_bytes(self) -> int:
        """An estimate of the memory that the kept documents take."""
        return self._kept_bytes

    def get_operation(self, text: str, name: str | None) -> Operation:
        """Return the operation of that name, or the only one.

        Raises:
            OperationRefused: the document, or the name, is not right.
        """
        kept = self._kept.get(text)
        if kept is None:
            operations = self._read(text)
        else:
            self._kept.move_to_end(text)
            operations = kept[0]
        if name is None and len(operations) == 1:
            return next(iter(operations.values()))
        operation = operations.get(name) if name is not None else None
        if operation is None:
            raise OperationRefused([with_code(_no_operation(operations, name), VALIDATION_FAILED)])
        return operation

    def _read(self, text: str) -> dict[str | None, Operation]:
        document = parse_document(text, self._limits)
        require_modest(document, self._limits)
        fragments = {
            each.name.value: each
            for each in document.definitions
            if isinstance(each, FragmentDefinitionNode)
        }
        outliner = Outliner(self._facts.schema, fragments, self._limits)
        outlines = [
            (each, outliner.outline(each))
            for each in document.definitions
            if isinstance(each, OperationDefinitionNode)
        ]
        self._validate(document)
        operations = {
            (node.name.value if node.name else None): Operation(
                self._facts,
                self._limits,
                node,
                fragments,
                fields,
                self.memory,
                public_fields=self._public_fields,
                public_introspection=self._public_introspection,
                hide_suggestions=self._hide_suggestions,
            )
            for node, fields in outlines
        }
        self._keep(text, document, operations)
        return operations

    def _validate(self, document: DocumentNode) -> None:
        errors = validate(
            self._facts.schema,
            document,
            _RULES,
            max_errors=MAX_VALIDATION_ERRORS,
            hide_suggestions=self._hide_suggestions,
        )
        if errors:
            raise OperationRefused([with_code(error, VALIDATION_FAILED) for error in errors])

    def _keep(
        self, text: str, document: DocumentNode, operations: dict[str | None, Operation]
    ) -> None:
        size = (
            4 * len(text)
            + BYTES_PER_TOKEN * _count_tokens(document)
            + BYTES_PER_OPERATION * len(operations)
        )
        for operation in operations.values():
            operation.document_bytes = size
        if len(text) > MAX_KEPT_TEXT:
            return
        self._kept[text] = (operations, size)
        self._kept_bytes += size
        while len(self._kept) > self._max_documents or self._kept_bytes > self._max_kept_bytes:
            _, (_, freed) = self._kept.popitem(last=False)
            self._kept_bytes -= freed


def _no_operation(operations: Mapping[str | None, Operation], name: str | None) -> GraphQLError:
    if name is not None:
        return GraphQLError("There is no operation of that name in the document.")
    if operations:
        return GraphQLError("The document has several operations: operationName must name one.")
    return GraphQLError("The document has no operation.")


def _count_tokens(document: DocumentNode) -> int:
    count = 0
    token = document.loc.start_token if document.loc else None
    while token is not None:
        count += 1
        token = token.next
    return count
