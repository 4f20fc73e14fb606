"""The engine: prepares the operations of one schema, and executes them by plans or by graphql-core.

Nothing of one execution or event is kept for the next but what belongs to the operation itself.
"""

from collections.abc import AsyncIterable, Awaitable, Mapping
from typing import Any

import orjson
import strawberry
from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLResolveInfoHelpers,
    Undefined,
)
from graphql.execution import create_source_event_stream
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.execution.executor import Executor, default_field_resolver, default_type_resolver
from graphql.execution.values import VariableValues, get_argument_values
from graphql.language import FieldNode
from graphql.pyutils import Path, gather_with_cancel
from strawberry.execution import optimized_is_awaitable

from models.limits import Limits
from parley.engine.documents import Documents, Operation
from parley.engine.errors import (
    INVALID_INPUT,
    DocumentRefused,
    encode,
    error_answer,
    format_errors,
    with_code,
)
from parley.engine.facts import SchemaFacts
from parley.engine.shapes import Shape

__all__ = ["Engine", "Operation"]


class Engine:
    """Prepares and executes the operations of one schema.

    `public_fields` are the root fields that need no viewer. In production, errors suggest no names.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        limits: Limits,
        public_fields: frozenset[str],
        development: bool = False,
    ) -> None:
        self._facts = SchemaFacts(schema)
        self._hide_suggestions = not development
        self.documents = Documents(
            self._facts,
            limits,
            public_fields=public_fields,
            hide_suggestions=self._hide_suggestions,
        )

    def prepare(self, query: str, operation_name: str | None) -> Operation:
        """
        Raises:
            DocumentRefused: the document cannot be executed.
        """
        return self.documents.get_operation(query, operation_name)

    async def execute(
        self, operation: Operation, variables: Mapping[str, Any] | None, context: Any
    ) -> bytes:
        """The answer to a query or mutation, as JSON; `{"data"` begins it if it was executed."""
        try:
            executor = self._executor(operation, variables, context, None)
        except DocumentRefused as refused:
            return error_answer(refused.errors)
        result = executor.run()
        return _answer(await result if not isinstance(result, ExecutionResult) else result)

    async def subscribe(
        self, operation: Operation, variables: Mapping[str, Any] | None, context: Any
    ) -> AsyncIterable[Any] | bytes:
        """What the root field's resolver returned, as it is; or the answer that says why not."""
        try:
            executor = self._executor(operation, variables, context, None)
        except DocumentRefused as refused:
            return error_answer(refused.errors)
        stream = create_source_event_stream(executor)
        found = stream if isinstance(stream, ExecutionResult | AsyncIterable) else await stream
        if isinstance(found, ExecutionResult):
            return error_answer(found.errors or ())
        return found

    def render(
        self,
        operation: Operation,
        variables: Mapping[str, Any] | None,
        event: Any,
        context: Any,
    ) -> str | Awaitable[str]:
        """The answer for one event of a subscription, as JSON: at once where the plan covers it."""
        shape = operation.only_shape
        if shape is not None and shape.planned:
            text = _render_planned(shape, event)
            if text is not None:
                return text
        return self._render_executed(operation, variables, event, context)

    def _render_executed(
        self, operation: Operation, variables: Mapping[str, Any] | None, event: Any, context: Any
    ) -> str | Awaitable[str]:
        try:
            executor = self._executor(operation, variables, context, event)
        except DocumentRefused as refused:
            return error_answer(refused.errors).decode()
        text = _render_planned(executor.shape, event) if executor.shape.planned else None
        if text is not None:
            return text
        result = executor.run()
        if isinstance(result, ExecutionResult):
            return _answer(result).decode()
        return _await_answer(result)

    def _executor(
        self,
        operation: Operation,
        variables: Mapping[str, Any] | None,
        context: Any,
        root_value: Any,
    ) -> "PlanExecutor":
        values = operation.variables.coerce(variables)
        operation.cost.require_modest(values.coerced)
        shape = operation.shape(values)
        shape.note_use()
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
    return _answer(await result).decode()


def _answer(result: ExecutionResult) -> bytes:
    if not result.errors:
        return encode({"data": result.data})
    return encode({"data": result.data, "errors": format_errors(result.errors)})


class PlanExecutor(Executor[None]):
    """graphql-core's executor, which tries the shape's plans before it completes a value itself."""

    def __init__(
        self,
        facts: SchemaFacts,
        operation: Operation,
        shape: Shape,
        values: VariableValues,
        context: Any,
        root_value: Any,
        hide_suggestions: bool,
    ) -> None:
        super().__init__(
            facts.schema,
            operation.fragment_definitions,
            operation.fragments,
            root_value,
            context,
            operation.node,
            values,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
            hide_suggestions=hide_suggestions,
        )
        self.shape = shape
        self.calls = facts.calls
        self._root_type = operation.root_type
        self._serially = operation.kind == "mutation"

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        """Made when asked for: kept, they and the executor would hold each other until the garbage
        collector ran, after every execution.
        """
        return GraphQLResolveInfoHelpers(self.gather_async_work, self.track_async_work)

    @async_helpers.setter
    def async_helpers(self, _: GraphQLResolveInfoHelpers) -> None:
        pass

    def run(self) -> ExecutionResult | Awaitable[ExecutionResult]:
        """Execute the root fields; of a subscription, for one event."""
        try:
            data = self.execute_root_grouped_field_set(
                self._root_type, self.root_value, self.shape.root, self._serially, None
            )
        except GraphQLError as error:
            return self._failed(error)
        if isinstance(data, dict):
            return self._done(data)
        return self._run_later(data)

    async def _run_later(self, data: Awaitable[dict[str, Any]]) -> ExecutionResult:
        try:
            return self._done(await data)
        except GraphQLError as error:
            return self._failed(error)

    def _done(self, data: dict[str, Any]) -> ExecutionResult:
        return ExecutionResult(data, self.collected_errors.errors or None)

    def _failed(self, error: GraphQLError) -> ExecutionResult:
        self.collected_errors.add(error, None)
        return ExecutionResult(None, self.collected_errors.errors)

    def collect_subfields(
        self, return_type: GraphQLObjectType, field_details_list: FieldDetailsList
    ) -> Any:
        return self.shape.collect(return_type, field_details_list)

    def complete_value(
        self,
        return_type: GraphQLOutputType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: None,
    ) -> Any:
        if result is not None:
            plan = self.shape.value_plan(return_type, field_details_list)
            if plan is not None:
                try:
                    return plan(result)
                except Exception:
                    pass  # graphql-core does it again, and says what is wrong.
        return super().complete_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: None,
    ) -> Any:
        shape = self.shape
        if path is None or not shape.planned or not shape.describes(parent_type, source_value):
            return super().execute_fields(
                parent_type, source_value, path, grouped_field_set, position_context
            )
        return self._execute_planned_fields(parent_type, source_value, path, grouped_field_set)

    def _execute_planned_fields(
        self, parent_type: GraphQLObjectType, source: Any, path: Path, grouped: GroupedFieldSet
    ) -> Any:
        """graphql-core's `execute_fields`, where a field that has a plan is read by it."""
        results: dict[str, Any] = {}
        awaitable: list[str] = []
        try:
            for name, details, plan in self.shape.field_plans(parent_type, grouped):
                if plan is not None:
                    try:
                        results[name] = plan(source)
                        continue
                    except Exception:
                        pass  # As above.
                result = self.execute_field(
                    parent_type, source, details, Path(path, name, parent_type.name), None
                )
                if result is not Undefined:
                    results[name] = result
                    if self.is_awaitable(result):
                        awaitable.append(name)
        except Exception:
            if awaitable:
                self.settle_in_background([results[name] for name in awaitable])
            raise
        return _await_fields(results, awaitable) if awaitable else results

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: FieldDetailsList,
        path: Path,
        position_context: None,
    ) -> Any:
        """As graphql-core does, but that an argument's error is told to the client as theirs."""
        nodes = [details.node for details in field_details_list]
        field_def = self.schema.get_field(parent_type, nodes[0].name.value)
        if field_def is None:
            return Undefined
        return_type = field_def.type
        info = self.build_resolve_info(field_def, nodes, parent_type, path)
        try:
            args = self._arguments(field_def, nodes[0]) if field_def.args else {}
            call = self.calls.get((parent_type.name, nodes[0].name.value))
            if call is not None:
                result = call(source, info, args)
            else:
                result = (field_def.resolve or self.field_resolver)(source, info, **args)
            if self.is_awaitable(result):
                return self.complete_awaitable_value(
                    return_type, field_details_list, info, path, result, None
                )
            completed = self.complete_value(
                return_type, field_details_list, info, path, result, None
            )
        except Exception as error:
            self.handle_field_error(error, return_type, field_details_list, path)
            return None
        if self.is_awaitable(completed):
            return self._await_completed(completed, return_type, field_details_list, path)
        return completed

    async def _await_completed(
        self,
        completed: Awaitable[Any],
        return_type: GraphQLOutputType,
        field_details_list: FieldDetailsList,
        path: Path,
    ) -> Any:
        try:
            return await completed
        except Exception as error:
            self.handle_field_error(error, return_type, field_details_list, path)
            return None

    def _arguments(self, field_def: GraphQLField, node: FieldNode) -> dict[str, Any]:
        try:
            return get_argument_values(
                field_def, node, self.variable_values, None, self.hide_suggestions
            )
        except GraphQLError as error:
            raise with_code(error, INVALID_INPUT) from error

    def build_resolve_info(
        self,
        field_def: GraphQLField,
        field_nodes: list[FieldNode],
        parent_type: GraphQLObjectType,
        path: Path,
    ) -> GraphQLResolveInfo[Any]:
        """As strawberry wants it: with the plain values of the variables."""
        return GraphQLResolveInfo(
            field_nodes[0].name.value,
            field_nodes,
            field_def.type,
            parent_type,
            path,
            self.schema,
            self.fragment_definitions,
            self.root_value,
            self.operation,
            self.variable_values.coerced,  # type: ignore[arg-type]
            self.context_value,
            self.is_awaitable,
            None,
            self.async_helpers,
        )


async def _await_fields(results: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The fields, those that are awaitable awaited at once; a field keeps its place."""
    if len(names) == 1:
        results[names[0]] = await results[names[0]]
        return results
    values = await gather_with_cancel(*(results[name] for name in names))
    results.update(zip(names, values, strict=True))
    return results
