"""One child that we start, ask whether it answers, and stop.

A part is up when it *answers*, never because a number in a file is a live process. It ends with us:
the kernel (or a watcher) tells it when we are gone. It leads a session of its own, so that Ctrl-C
in a terminal reaches only us.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from parley.supervision.launch import LaunchOrder

LAUNCH = Path(__file__).with_name("launch.py")
CHECKOUT = Path(__file__).resolve().parents[2]
# Enough to run a server of somebody else's; none of our environment's surprises (PGOPTIONS, LC_ALL)
# reaches it.
BARE_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
LOG_BYTES = 8 * 1024 * 1024


class StartError(Exception):
    """One sentence for the operator: what did not start, and the last that it said."""


def launched(
    command: Sequence[str],
    *,
    orphan_signal: int = signal.SIGKILL,
    owned_dir: Path | None = None,
    without_namespace: bool = False,
    with_watcher: bool = sys.platform != "linux",
) -> list[str]:
    """Return the command line that runs `command` as a program which ends with this process."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "Start parts from the main thread: the kernel takes a thread's end for its process's."
        )
    order = LaunchOrder(
        command=list(command),
        parent=os.getpid(),
        orphan_signal=orphan_signal,
        owned_dir=None if owned_dir is None else str(owned_dir),
        without_namespace=without_namespace,
        with_watcher=with_watcher,
    )
    return [sys.executable, "-I", "-S", str(LAUNCH), json.dumps(order)]


class SupervisedPart(ABC):
    """What to run, how to ask it, and how to end it."""

    stop_signal = signal.SIGTERM
    stop_within_s = 5.0
    orphan_signal = signal.SIGKILL
    # The part is not root, and owns this folder.
    owned_dir: Path | None = None
    without_namespace = False
    # The part loads its code, then waits for `release`.
    gated = False
    # What it says when its forerunner has not quite gone: starting again soon helps.
    passing_troubles: Sequence[str] = ("already in use",)

    def __init__(self, name: str, *, log_path: Path | None = None) -> None:
        self.name = name
        # None: our own standard error.
        self.log_path = log_path
        self.started_at = 0.0
        # The process that answered last; where a part is being started again, not yet the new one.
        self.answering_pid: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Program (absolute path) and arguments."""

    @abstractmethod
    def answers(self) -> bool:
        """Return True if it does its work, tried now; False too when it does not yet."""

    def responds(self) -> bool:
        """Return True if it says anything at all, tried now: one that cannot work yet, or any more,
        and says so, does not hang.
        """
        return self.answers()

    def is_up(self) -> bool:
        """Return True if it runs and answers."""
        if not self.running or not self.answers():
            return False
        self.answering_pid = self.pid
        return True

    def environment(self) -> Mapping[str, str]:
        return BARE_ENVIRONMENT

    def prepare(self) -> None:
        """Write what must be on disk before it can start."""
        return

    def remark(self) -> str:
        """Return what the operator should know about how it runs, in brackets; mostly nothing."""
        return ""

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs, and before it was started."""
        return None if self._child is None else self._child.poll()

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Begin; `answers` says when it is there.

        Raises:
            StartError: it could not be prepared.
        """
        self.close_gate()
        self.prepare()
        command = launched(
            self.command(),
            orphan_signal=self.orphan_signal,
            owned_dir=self.owned_dir,
            without_namespace=self.without_namespace,
        )
        self.started_at = time.monotonic()
        with contextlib.ExitStack() as stack:
            log = None
            if self.log_path is not None:
                log = stack.enter_context(open_log(self.log_path))
                self._log_start = log.tell()
            self._child = subprocess.Popen(
                command,
                env=dict(self.environment()),
                stdin=subprocess.PIPE if self.gated else subprocess.DEVNULL,
                stdout=2 if log is None else log,
                stderr=log,
                start_new_session=True,
            )

    def release(self) -> None:
        """Let a gated part, which has loaded its code meanwhile, begin."""
        if self._child is not None and self._child.stdin is not None:
            with contextlib.suppress(OSError):
                self._child.stdin.write(b"\n")
        self.close_gate()

    def close_gate(self) -> None:
        if self._child is not None and self._child.stdin is not None:
            with contextlib.suppress(OSError):
                self._child.stdin.close()

    def ask_to_stop(self) -> None:
        self.close_gate()
        self.send(self.stop_signal)

    def send(self, number: int) -> None:
        if self._child is not None:
            self._child.send_signal(number)

    def wait(self, within_s: float) -> bool:
        """Return True if it has ended within that time."""
        if self._child is None:
            return True
        try:
            self._child.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """Ask it to end, and end it when it does not listen."""
        self.ask_to_stop()
        if not self.wait(self.stop_within_s):
            self.kill()

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.wait(self.stop_within_s)

    def last_words(self) -> str:
        """Return what it wrote since its start, from the end."""
        if self.log_path is None or not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, end - 2000))
            return log.read().decode(errors="replace").strip()

    def in_passing_trouble(self) -> bool:
        words = self.last_words()
        return any(trouble in words for trouble in self.passing_troubles)


class StartedParts:
    """Parts that start side by side, until all of them answer; `started`: they run already."""

    def __init__(
        self, parts: Sequence[SupervisedPart], *, within_s: float = 30, started: bool = False
    ) -> None:
        self.deadline = time.monotonic() + within_s
        # A forerunner that was killed is gone within a second or two.
        self.retry_until = time.monotonic() + 10
        self.waiting = list(parts)
        for part in () if started else parts:
            part.start()

    def poll(self) -> list[SupervisedPart]:
        """Those that have begun to answer since the last call.

        Raises:
            StartError: one has ended, or takes too long.
        """
        ready = [part for part in self.waiting if part.is_up()]
        self.waiting = [part for part in self.waiting if part not in ready]
        for part in self.waiting:
            self._look_after(part)
        return ready

    def _look_after(self, part: SupervisedPart) -> None:
        now = time.monotonic()
        if part.running:
            # One that waits for a server which is not ours says that it is alive.
            if now > self.deadline and not part.responds():
                raise StartError(f"{part.name} does not answer.{_said(part)}")
            return
        if now - part.started_at < 0.05:
            return
        if now > self.retry_until or not part.in_passing_trouble():
            raise StartError(
                f"{part.name} {describe_exit(part.exit_code)} before it was ready.{_said(part)}"
            )
        part.start()


def start_and_wait(parts: Sequence[SupervisedPart], *, within_s: float = 30) -> None:
    """Start parts side by side; all of them answer on return, or none runs.

    Raises:
        StartError: one did not come up.
    """
    try:
        started = StartedParts(parts, within_s=within_s)
        while started.waiting:
            started.poll()
            time.sleep(0.01)
    except BaseException:
        for part in parts:
            part.kill()
        raise


def describe_exit(code: int | None) -> str:
    if code is None:
        return "did not run"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def open_log(path: Path) -> BinaryIO:
    """Open the part's log, begun anew once it is large; readable by us only."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".1.log"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _said(part: SupervisedPart) -> str:
    words = part.last_words()
    return f" It said:\n{words}" if words else ""
