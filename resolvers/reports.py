"""Reports: telling the people who run the service about a user or a message."""

from datetime import UTC, datetime
from typing import Annotated

import strawberry

from models import ids
from models.refusals import invalid, not_found
from models.reports import Report, report
from schema.budgets import spends
from schema.context import context_of
from schema.global_ids import require_user_id
from schema.refusals import Refusal, answers_refusals
from schema.users.reports import ReportInput, ReportPayload, ReportResult


@strawberry.type
class ReportMutations:
    @strawberry.mutation(
        description=(
            "Reports a user or a message to the operators. A copy of the message is stored as "
            "it is now. Nobody else is told. RATE_LIMITED if the viewer's budget is used up."
        ),
        graphql_type=ReportResult,
    )
    @answers_refusals
    @spends("setting_changes_per_user")
    async def report(
        self,
        info: strawberry.Info,
        input: Annotated[
            ReportInput, strawberry.argument(description="What to report, and the reason.")
        ],
    ) -> ReportPayload | Refusal:
        context = context_of(info)
        report_id = await report(
            context.resources.database,
            context.require_viewer().user.id,
            require_report(input),
            limits=context.resources.limits,
            now=datetime.now(UTC),
        )
        return ReportPayload(report_id=strawberry.ID(ids.report_global_id(report_id)))


def require_report(input: ReportInput) -> Report:
    """Check a report's input, and return the report.

    Raises:
        Refused: INVALID_INPUT when it names nothing; NOT_FOUND for ids that cannot be any user's
            or message's.
    """
    if input.user_id is None and input.message_id is None:
        raise invalid("Name a user or a message.", "userId")
    user_id = place = None
    if input.user_id is not None:
        user_id = require_user_id(input.user_id)
    if input.message_id is not None:
        place = ids.parse_message(input.message_id)
        if place is None:
            raise not_found("There is no such message.", "messageId")
    return Report(input.reason, user_id, place)
