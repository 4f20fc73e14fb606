"""Planned mutations: root fields that are called and answered without graphql-core's executor.

Where something is unusual (an error, a value that the plan does not take, an argument that is no
variable), graphql-core does that part, with the value at hand: no resolver is called twice. The
answer is the same, to the letter.
"""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLError
from graphql.execution.values import VariableValues
from strawberry.execution import optimized_is_awaitable

from parley.engine.answers import Answer, plain_answer, result_answer
from parley.engine.mutation_fields import MutationField
from parley.engine.plan_executor import PlanExecutor

MakeExecutor = Callable[[], PlanExecutor]


class MutationRun:
    """One execution of a planned mutation."""

    def __init__(self, values: VariableValues, context: Any, make_executor: MakeExecutor) -> None:
        self._values = values
        self._context = context
        self._make_executor = make_executor
        self._executor: PlanExecutor | None = None

    async def run(self, fields: tuple[MutationField, ...]) -> Answer:
        """Execute the root fields, one after the other."""
        data: dict[str, Any] = {}
        try:
            for field in fields:
                data[field.name] = await self._execute(field)
        except GraphQLError as error:
            return result_answer(self._core.fail(error))
        if self._executor is None:
            return plain_answer(data)
        return result_answer(self._executor.finish_with(data))

    @property
    def _core(self) -> PlanExecutor:
        """Return graphql-core's executor, made when it is first needed."""
        if self._executor is None:
            self._executor = self._make_executor()
        return self._executor

    async def _execute(self, field: MutationField) -> Any:
        """Call the field's resolver, and complete its value.

        Raises:
            GraphQLError: the field failed and may not be null.
        """
        info = field.make_info(self._values, self._context)
        try:
            arguments = field.read_arguments(self._values.coerced)
            if arguments is None:
                arguments = self._core.read_arguments(field.definition, field.node)
            value = field.call(None, info, arguments)
            if optimized_is_awaitable(value):
                value = await value
            if field.plan is not None and value is not None:
                try:
                    return field.plan(value)
                except Exception:
                    pass  # graphql-core does it again, and says what is wrong.
            completed = self._core.complete_value(
                field.type, field.details, info, field.path, value, None
            )
            return await completed if optimized_is_awaitable(completed) else completed
        except Exception as error:
            self._core.handle_field_error(error, field.type, field.details, field.path)
            return None
