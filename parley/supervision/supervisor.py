"""Starts all parts, keeps them up, and stops them in order; one thread, no clock but the monotonic
one.

Servers and our own processes load side by side; migrations run once the servers answer, the rest
once they are done. From then on a part that dies is started again, the sooner the longer it had
lived; one that says nothing for 15 s hangs, and is killed. `services.json` names a process only
once it answers. A stop goes from the outside in: API processes, worker, then the servers.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from parley.supervision.part import StartedParts, StartError, SupervisedPart, describe_exit
from parley.supervision.signals import Signals

Say = Callable[[str], None]

POLL_S = 0.01
# Looking at parts that are not expected to change.
IDLE_S = 5.0
START_WITHIN_S = 60.0
MIGRATE_WITHIN_S = 600.0
SHORTEST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 5.0
# A part that lived this long died of something new.
LIVED_S = 10.0
# A part that says nothing for so long hangs.
HUNG_S = 15.0
# Between two questions to one that did not say anything to the last.
ASK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionPlan:
    """What runs, in groups: each group is stopped before the next one."""

    servers: Sequence[SupervisedPart] = ()
    # Runs once, when the servers answer; the processes begin when it has succeeded.
    migrations: SupervisedPart | None = None
    apis: Sequence[SupervisedPart] = ()
    workers: Sequence[SupervisedPart] = ()

    @property
    def processes(self) -> Sequence[SupervisedPart]:
        return [*self.apis, *self.workers]

    @property
    def kept(self) -> Sequence[SupervisedPart]:
        return [*self.servers, *self.processes]

    @property
    def stopping(self) -> Sequence[Sequence[SupervisedPart]]:
        return [self.apis, self.workers, *([server] for server in self.servers)]


class _Stopped(Exception):
    """An order to stop came while parts were starting."""


class _Kept:
    """A part that is to stay up."""

    def __init__(self, part: SupervisedPart, hung_s: float) -> None:
        self.part = part
        self.answering = True
        self._hung_s = hung_s
        self._asked_at = time.monotonic()
        self._silent_since: float | None = None
        self.died_at: float | None = None
        self.backoff_s = 0.0

    def note_death(self, now: float) -> None:
        lived_s = now - self.part.started_at
        longer = min(max(self.backoff_s * 2, SHORTEST_BACKOFF_S), LONGEST_BACKOFF_S)
        self.backoff_s = SHORTEST_BACKOFF_S if lived_s > LIVED_S else longer
        self.died_at = now
        self.answering = False
        self._silent_since = None

    def hangs(self, now: float) -> bool:
        """Ask it, where it is time to, and return whether it has been silent for too long.

        One that has not answered since it was started may load its code for longer.
        """
        often_s = min(IDLE_S if self._silent_since is None else ASK_AGAIN_S, self._hung_s / 3)
        since_s = now - self._asked_at
        if self.died_at is not None or since_s < often_s:
            return False
        self._asked_at = now
        if self.part.responds():
            self._silent_since = None
            return False
        # Where we stood still ourselves (the machine slept), its silence begins anew.
        if self._silent_since is None or since_s > 2 * IDLE_S:
            self._silent_since = now
        return now - self._silent_since >= (self._hung_s if self.answering else START_WITHIN_S)

    @property
    def settled(self) -> bool:
        return self.answering and self.died_at is None

    def poll_s(self, now: float) -> float:
        """Often at first; a part that takes long is not helped by questions."""
        if self.settled:
            silent = self._silent_since is not None
            return min(ASK_AGAIN_S if silent else IDLE_S, self._hung_s / 3)
        return POLL_S if self.died_at is not None or now - self.part.started_at < 5 else 0.5


class Supervisor:
    """Runs a plan until it is told to stop."""

    def __init__(
        self,
        plan: SupervisionPlan,
        *,
        say: Say,
        ready: Callable[[], None] = lambda: None,
        changed: Callable[[], None] = lambda: None,
        hung_s: float = HUNG_S,
    ) -> None:
        """`ready` is called once, when all is up; `changed` before that and whenever a part was
        started again.
        """
        self._plan = plan
        self._say = say
        self._ready = ready
        self._changed = changed
        self._hung_s = hung_s
        self._signals = Signals()
        self._began = time.monotonic()
        # Those that load their code, and must not end meanwhile.
        self._loading: Sequence[SupervisedPart] = ()

    def run(self) -> int:
        """Blocks until SIGINT, SIGTERM or SIGHUP.

        Raises:
            StartError: a part did not come up; all others are stopped.
        """
        with self._signals.caught():
            try:
                self._start()
                self._changed()
                self._ready()
                self._keep()
            except _Stopped:
                pass
            finally:
                self._say("stops; tell it again to stop at once")
                self._stop()
        return 0

    def _start(self) -> None:
        processes = self._plan.processes
        migrations = [] if self._plan.migrations is None else [self._plan.migrations]
        # They load their code while the servers start; migrations first, because the others wait
        # for them.
        for part in [*migrations, *processes]:
            part.start()
        self._loading = processes
        self._await_all(self._plan.servers)
        for part in migrations:
            self._run_once(part)
        self._loading = ()
        for part in processes:
            part.release()
        self._await_all(processes, started=True)

    def _await_all(self, parts: Sequence[SupervisedPart], *, started: bool = False) -> None:
        starting = StartedParts(parts, within_s=START_WITHIN_S, started=started)
        while starting.waiting:
            for part in starting.poll():
                self._say_up(part, "is up")
            self._pause()

    def _run_once(self, part: SupervisedPart) -> None:
        part.release()
        deadline = time.monotonic() + MIGRATE_WITHIN_S
        while part.running:
            if time.monotonic() > deadline:
                raise StartError(f"{part.name} took longer than {MIGRATE_WITHIN_S:g} s.")
            self._pause()
        if part.exit_code != 0:
            raise StartError(
                f"{part.name} {describe_exit(part.exit_code)}; nothing else was started."
            )
        self._say_up(part, "are done")

    def _pause(self) -> None:
        self._signals.wait(POLL_S)
        if self._signals.stop_orders:
            raise _Stopped
        for part in self._loading:
            if not part.running:
                raise StartError(
                    f"{part.name} {describe_exit(part.exit_code)} while it was loaded."
                )

    def _say_up(self, part: SupervisedPart, what: str) -> None:
        self._say(f"{part.name} {what} after {time.monotonic() - self._began:.2f} s{part.remark()}")

    def _keep(self) -> None:
        kept = [_Kept(part, self._hung_s) for part in self._plan.kept]
        while not self._signals.stop_orders:
            now = time.monotonic()
            changes = [one for one in kept if self._look_at(one, now)]
            if changes:
                self._changed()
            self._signals.wait(min((one.poll_s(now) for one in kept), default=IDLE_S))

    def _look_at(self, one: _Kept, now: float) -> bool:
        """Look at a part. Return True if it has just come back."""
        part = one.part
        if part.running and one.hangs(now):
            self._say(f"{part.name} says nothing for {self._hung_s:g} s; it is killed")
            part.kill()
        if one.died_at is None and not part.running:
            one.note_death(now)
            self._say(f"{part.name} {describe_exit(part.exit_code)}; it is started again")
        if one.died_at is not None and now >= one.died_at + one.backoff_s:
            one.died_at = None
            with self._reported(part):
                part.start()
                part.release()
        if one.died_at is None and not one.answering and part.is_up():
            one.answering = True
            self._say(f"{part.name} is up again after {time.monotonic() - part.started_at:.2f} s")
            return True
        return False

    @contextlib.contextmanager
    def _reported(self, part: SupervisedPart) -> Iterator[None]:
        try:
            yield
        except (StartError, OSError) as error:
            self._say(f"{part.name} cannot be started: {error}")

    def _stop(self) -> None:
        """Each group gets its time; another order to stop ends all of it at once."""
        for group in [
            [self._plan.migrations] if self._plan.migrations else [],
            *self._plan.stopping,
        ]:
            for part in group:
                part.ask_to_stop()
            deadline = time.monotonic() + max((part.stop_within_s for part in group), default=0)
            while any(part.running for part in group):
                if self._signals.stop_orders > 1 or time.monotonic() > deadline:
                    break
                self._signals.wait(POLL_S)
            for part in group:
                if part.running:
                    self._say(f"{part.name} did not stop in time and is killed")
                    part.kill()
