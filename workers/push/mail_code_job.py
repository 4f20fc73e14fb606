"""Run the job that sends a code to a mail address. It finds the code by the row: a job that runs
twice sends the same code, and one that is late sends none.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from models.jobs.queue import TakenJob
from models.postgresql.database import Database
from models.push.mails import CODE_JOB, MailTask, find_code_mail
from models.tokens import Tokens
from workers.jobs.runner import Jobs, RetryLater, SetAside
from workers.push.providers.mail import Mail
from workers.push.providers.mail_links import MailLinks
from workers.push.providers.pushes import PushOutcome

RETRY_S = 20.0
DEADLINE_S = 60.0
MOST_TRIES = 8

_decode = msgspec.json.Decoder(MailTask).decode


class MailCodeJobs:
    """`note` is told of each outcome, for metrics."""

    def __init__(
        self,
        database: Database,
        mail: Mail,
        tokens: Tokens,
        links: MailLinks,
        *,
        note: Callable[[str, str], None],
    ) -> None:
        self._database = database
        self._mail = mail
        self._tokens = tokens
        self._links = links
        self._note = note

    def register(self, jobs: Jobs) -> None:
        jobs.register(
            CODE_JOB,
            self.run,
            concurrency=self._mail.concurrency,
            most_tries=MOST_TRIES,
            deadline_s=DEADLINE_S,
        )

    async def run(self, job: TakenJob) -> None:
        """Send the code, if it is still in force.

        Raises:
            RetryLater: the mail server has failed.
            SetAside: it will not have the mail.
            Refused: UNAVAILABLE.
        """
        task = _decode(job.payload)
        now = datetime.now(UTC)
        found = await find_code_mail(self._database, self._tokens, task.u, task.digest, now=now)
        if found is None:
            return
        answer = await self._mail.send_code(found, self._links.for_code(task.u, found.address))
        self._note("EMAIL_CODE", answer.outcome.value)
        if answer.outcome is PushOutcome.RETRY:
            raise RetryLater(answer.retry_after_s or RETRY_S)
        if answer.outcome is PushOutcome.REJECTED:
            raise SetAside(f"EMAIL said: {answer.said or answer.outcome.value}")
