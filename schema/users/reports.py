"""Reports: what the viewer tells the people who run the service."""

from typing import Annotated

import strawberry

from schema.refusals import Refusal


@strawberry.input(description="What to report: a user, a message, or a message with its sender.")
class ReportInput:
    user_id: strawberry.ID | None = strawberry.field(
        description=(
            "The user to report. If `messageId` is given, too, this must be the message's sender."
        ),
        default=None,
    )
    message_id: strawberry.ID | None = strawberry.field(
        description="A message that the viewer may see. A copy of it is stored as it is now.",
        default=None,
    )
    reason: str = strawberry.field(
        description=("The reason in the viewer's words, 1 to 1,000 characters.")
    )


@strawberry.type(description="The answer if the report was stored.")
class ReportPayload:
    report_id: strawberry.ID = strawberry.field(description="The id of the report, to refer to it.")


ReportResult = Annotated[
    ReportPayload | Refusal,
    strawberry.union("ReportResult", description="The id of the report, or a Refusal."),
]
