"""Prepare the operations of one schema, and execute them by plans or by graphql-core.

Nothing is kept from one execution or event to the next, except what belongs to the operation.
"""

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import orjson
import strawberry
from graphql import ExecutionResult, GraphQLError
from graphql.execution.values import VariableValues

from models.limits.limits import Limits
from parley.engine.answers import Answer, error_answer, result_answer
from parley.engine.documents import MAX_KEPT_BYTES, Documents
from parley.engine.errors import OperationRefused
from parley.engine.facts import SchemaFacts
from parley.engine.operation import Operation
from parley.engine.persisted import PersistedDocuments
from parley.engine.plan_executor import PlanExecutor
from parley.engine.planned_mutations import MutationRun
from parley.engine.shapes import MAX_SHAPE_BYTES, Shape, ShapeMemory

__all__ = ["Engine", "Operation"]

# Told of the length of a document that is not kept, and its context, before it is read; may refuse
# it.
ChargeReading = Callable[[int, Any], None]
# Told of an operation, its cost and its context before it is executed; may refuse it.
Charge = Callable[[Operation, int, Any], None]
# Told of the length of an answer in bytes, its operation and its context.
ChargeAnswer = Callable[[int, Operation, Any], None]


class Engine:
    """Prepares and executes the operations of one schema.

    `public_fields` are the root fields that need no viewer. In production introspection needs one,
    and errors suggest no names. What `charge_reading` raises, `prepare` raises; what `charge`
    raises, `execute` and `subscribe` raise. Without `plans` graphql-core and strawberry execute
    everything, with the same answers.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        limits: Limits,
        public_fields: frozenset[str],
        development: bool = False,
        charge: Charge | None = None,
        charge_reading: ChargeReading | None = None,
        charge_answer: ChargeAnswer | None = None,
        trusted_documents: Mapping[str, str] | None = None,
        max_kept_bytes: int = MAX_KEPT_BYTES,
        max_shape_bytes: int = MAX_SHAPE_BYTES,
        plans: bool = True,
    ) -> None:
        self._facts = SchemaFacts(schema, plans=plans)
        self._charge = charge
        self._charge_reading = charge_reading
        self._charge_answer = charge_answer
        self._hide_suggestions = not development
        self._persisted = PersistedDocuments(limits.persisted_documents, trusted_documents)
        self.documents = Documents(
            self._facts,
            limits,
            public_fields=public_fields,
            public_introspection=development,
            hide_suggestions=self._hide_suggestions,
            memory=ShapeMemory(max_shape_bytes),
            max_kept_bytes=max_kept_bytes,
        )

    def find_text(self, text: str | None, document_id: str | None) -> str:
        """Return the text of a document that is given by its text, its hash or id, or both.

        Raises:
            OperationRefused: it is not known, not trusted, or hash and text differ.
        """
        if document_id is None and not self._persisted.trusts_few:
            assert text is not None
            return text
        return self._persisted.find_text(text, document_id)

    def keep_text(self, text: str, document_id: str) -> None:
        """Keep the text of a document that was prepared, for those who will send its hash alone."""
        self._persisted.keep(text, document_id)

    def prepare(self, query: str, operation_name: str | None, context: Any = None) -> Operation:
        """Return the operation of a document, parsed, validated and kept for the next request.

        Raises:
            OperationRefused: the document cannot be executed.
        """
        if self._charge_reading is not None and self.charges_reading(query):
            self._charge_reading(len(query), context)
        return self.documents.get_operation(query, operation_name)

    def charges_reading(self, query: str) -> bool:
        """Return whether `prepare` needs a context, to be charged for reading the document."""
        return self._charge_reading is not None and query not in self.documents

    async def execute(
        self, operation: Operation, variables: Mapping[str, Any] | None, context: Any
    ) -> Answer:
        """Execute a query or mutation. An operation that cannot be executed is answered, too."""
        try:
            values, shape = self._begin(operation, variables, context, charge=self._charge)
        except OperationRefused as refused:
            return error_answer(refused.errors)
        answer = await self._answer(operation, shape, values, context)
        if self._charge_answer is not None:
            self._charge_answer(len(answer.body), operation, context)
        return answer

    async def _answer(
        self, operation: Operation, shape: Shape, values: VariableValues, context: Any
    ) -> Answer:
        make_executor = partial(self._make_executor, operation, shape, values, context, None)
        if operation.kind == "mutation" and shape.planned:
            fields = shape.mutation_fields
            if fields is not None:
                return await MutationRun(values, context, make_executor).run(fields)
        result = make_executor().run()
        return result_answer(await result if not isinstance(result, ExecutionResult) else result)

    def cost_of(self, operation: Operation, variables: Mapping[str, Any] | None) -> int:
        """Return how many objects one answer to the operation, or one event of it, may hold.

        Raises:
            OperationRefused: the variables are not right.
        """
        return operation.cost.total(operation.variables.coerce(variables).coerced)

    async def subscribe(
        self, operation: Operation, variables: Mapping[str, Any] | None, context: Any
    ) -> AsyncIterable[Any]:
        """Return the stream that the root field's resolver returned, as it is.

        Raises:
            OperationRefused: the variables are not right, or the resolver raised.
        """
        values, shape = self._begin(operation, variables, context, charge=self._charge)
        executor = self._make_executor(operation, shape, values, context, None)
        try:
            return await executor.open_stream()
        except GraphQLError as error:
            raise OperationRefused([error]) from error

    def render(
        self,
        operation: Operation,
        variables: Mapping[str, Any] | None,
        event: Any,
        context: Any,
    ) -> str | Awaitable[str]:
        """Return the JSON for one event of a subscription: at once if a plan covers the event."""
        shape = operation.only_shape
        if shape is not None and shape.planned:
            shape.stay()
            text = _render_planned(shape, event)
            if text is not None:
                return text
        return self._render_executed(operation, variables, event, context)

    def _render_executed(
        self, operation: Operation, variables: Mapping[str, Any] | None, event: Any, context: Any
    ) -> str | Awaitable[str]:
        try:
            values, shape = self._begin(operation, variables, context)
        except OperationRefused as refused:
            return error_answer(refused.errors).body.decode()
        text = _render_planned(shape, event) if shape.planned else None
        if text is not None:
            return text
        result = self._make_executor(operation, shape, values, context, event).run()
        if isinstance(result, ExecutionResult):
            return result_answer(result).body.decode()
        return _await_answer(result)

    def _begin(
        self,
        operation: Operation,
        variables: Mapping[str, Any] | None,
        context: Any,
        *,
        charge: Charge | None = None,
    ) -> tuple[VariableValues, Shape]:
        """Return the values of the variables, and what is selected with them.

        Raises:
            OperationRefused: the variables are not right, or the answer could be too large.
        """
        values = operation.variables.coerce(variables)
        cost = operation.cost.require_modest(values.coerced)
        if charge is not None:
            charge(operation, cost, context)
        shape = operation.shape(values)
        shape.note_use()
        return values, shape

    def _make_executor(
        self,
        operation: Operation,
        shape: Shape,
        values: VariableValues,
        context: Any,
        root_value: Any,
    ) -> PlanExecutor:
        return PlanExecutor(
            self._facts, operation, shape, values, context, root_value, self._hide_suggestions
        )


def _render_planned(shape: Shape, event: Any) -> str | None:
    root = shape.event_plan
    if root is None:
        return None
    try:
        return root.start + orjson.dumps(root.plan(event)).decode() + "}}"
    except Exception:
        return None


async def _await_answer(result: Awaitable[ExecutionResult]) -> str:
    return result_answer(await result).body.decode()
