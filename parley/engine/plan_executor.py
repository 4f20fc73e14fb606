"""Execution: graphql-core's executor, which tries plans before it completes a value itself.

What it adds to graphql-core: calls of resolvers worked out beforehand (calls.py), plans (plan.py),
and argument errors that are told to the client as theirs. What it leaves out: middleware, @defer
and @stream, abort signals.
"""

from collections.abc import AsyncIterable, Awaitable
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLResolveInfoHelpers,
    Undefined,
    located_error,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.execution.executor import Executor, default_field_resolver, default_type_resolver
from graphql.execution.values import VariableValues, get_argument_values
from graphql.language import FieldNode
from graphql.pyutils import Path, gather_with_cancel
from strawberry.execution import optimized_is_awaitable

from parley.engine.errors import INVALID_INPUT, with_code
from parley.engine.facts import SchemaFacts
from parley.engine.operation import Operation
from parley.engine.shapes import Shape


class PlanExecutor(Executor[None]):
    """Executes one operation, or one event of a subscription, once."""

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

    async def open_stream(self) -> AsyncIterable[Any]:
        """Return the stream to which the root field of a subscription resolves.

        Raises:
            GraphQLError: it did not, or to something that is no stream.
        """
        name, details = next(iter(self.shape.root.items()))
        nodes = [each.node for each in details]
        field_def = self._root_type.fields[nodes[0].name.value]
        path = Path(None, name, self._root_type.name)
        info = self.build_resolve_info(field_def, nodes, self._root_type, path)
        try:
            resolve = field_def.subscribe or self.subscribe_field_resolver
            stream = resolve(None, info, **self.read_arguments(field_def, nodes[0]))
            if self.is_awaitable(stream):
                stream = await stream
            if not isinstance(stream, AsyncIterable):
                raise TypeError("The field of a subscription resolved to no stream.")
        except Exception as error:
            raise located_error(error, nodes, path.as_list()) from error
        return stream

    def run(self) -> ExecutionResult | Awaitable[ExecutionResult]:
        """Execute the root fields; of a subscription, for one event."""
        try:
            data = self.execute_root_grouped_field_set(
                self._root_type, self.root_value, self.shape.root, self._serially, None
            )
        except GraphQLError as error:
            return self.fail(error)
        if isinstance(data, dict):
            return self.finish_with(data)
        return self._run_later(data)

    async def _run_later(self, data: Awaitable[dict[str, Any]]) -> ExecutionResult:
        try:
            return self.finish_with(await data)
        except GraphQLError as error:
            return self.fail(error)

    def finish_with(self, data: dict[str, Any]) -> ExecutionResult:
        """Return the result of an execution that came to its end."""
        return ExecutionResult(data, self.collected_errors.errors or None)

    def fail(self, error: GraphQLError) -> ExecutionResult:
        """Return the result of one that ended with an error, which left no data."""
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
            args = self.read_arguments(field_def, nodes[0]) if field_def.args else {}
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

    def read_arguments(self, field_def: GraphQLField, node: FieldNode) -> dict[str, Any]:
        """Return the values of a field's arguments.

        Raises:
            GraphQLError: INVALID_INPUT.
        """
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
    """Await the fields that are awaitable, at once; return all, each in its place."""
    if len(names) == 1:
        results[names[0]] = await results[names[0]]
        return results
    values = await gather_with_cancel(*(results[name] for name in names))
    results.update(zip(names, values, strict=True))
    return results
