"""The program that forks children for the sandbox: `python -m workers.media.sandbox.forker MODULE`.

It has the decoders loaded, so that a child begins at once, and never looks at a file itself. It
reads requests from the socket that is its standard input, and has no environment, no network where
the kernel lets it, and no open file of the worker's. It ends when the worker does, and takes its
children along.

MODULE has `run(order: bytes, source: BinaryIO) -> bytes`, called in the child, in the folder.
"""

import contextlib
import fcntl
import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from workers.media.sandbox.confinement import (
    NETWORK,
    REQUIRED,
    Bounds,
    confine,
    die_with_parent,
    give_up_network,
)
from workers.media.sandbox.protocol import Unusable

Run = Callable[[bytes, BinaryIO], bytes]

MOST_REQUEST_BYTES = 16 * 1024
# Besides standard input, output and errors: a request comes with these.
_SENT_FILES = 4


class ForkRequest(msgspec.Struct, frozen=True):
    """`required`: nothing is looked at where a required layer is not in force. Without an order,
    the child only says which are.
    """

    bounds: Bounds
    order: bytes | None
    required: bool


class ChildAnswer(msgspec.Struct, frozen=True):
    """What a child has to say: what it made, or why not. `fault` names what was raised. `layers` of
    its confinement are in force; one that had to be is `missing`.
    """

    layers: list[str] = []
    missing: list[str] = []
    made: bytes = b""
    unusable: str | None = None
    fault: str | None = None


class ChildExit(msgspec.Struct, frozen=True):
    """How a child ended: by `signal` when that is not 0, and after how much. `began` is false when
    there was none.
    """

    began: bool = True
    code: int = 0
    signal: int = 0
    too_late: bool = False
    cpu_s: float = 0.0
    peak_bytes: int = 0


class Child(msgspec.Struct):
    pid: int
    worker: socket.socket
    ends_at: float
    too_late: bool = False


class Forker:
    def __init__(self, requests: socket.socket, run: Run, layers: list[str]) -> None:
        """`layers` are in force for this process and so for its children."""
        self._layers = layers
        self._requests = requests
        self._run = run
        self._children: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(requests, selectors.EVENT_READ)
        # A signal wakes the selector up.
        woken, waking = socket.socketpair()
        for end in (woken, waking):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        self._waking = waking
        self._selector.register(woken, selectors.EVENT_READ)
        self._woken = woken

    def serve(self) -> None:
        """Until the worker is gone."""
        while True:
            for key, _ in self._selector.select(self._patience_s()):
                if key.fileobj is self._requests:
                    if not self._take_request():
                        self._kill_all()
                        return
                elif key.fileobj is self._woken:
                    self._woken.recv(4096)
                else:
                    # Nobody waits for it any longer.
                    self._kill(self._children[key.data])
                    self._selector.unregister(key.fileobj)
            self._kill_late()
            self._reap()

    def _patience_s(self) -> float | None:
        ends = [child.ends_at for child in self._children.values() if not child.too_late]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _take_request(self) -> bool:
        """Take a request. Return False if the worker is no longer there."""
        message, files, _, _ = socket.recv_fds(self._requests, MOST_REQUEST_BYTES, _SENT_FILES)
        if not message:
            return False
        source, folder, answer, worker_end = files
        worker = socket.socket(fileno=worker_end)
        request = msgspec.msgpack.decode(message, type=ForkRequest)
        forker_pid = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if pid == 0:
            _be_child(self._run, self._layers, request, source, folder, answer, forker_pid)
        for file in (source, folder, answer):
            os.close(file)
        if pid < 0:
            _tell(worker, ChildExit(began=False))
            return True
        child = Child(pid, worker, time.monotonic() + request.bounds.deadline_s)
        self._children[pid] = child
        self._selector.register(worker, selectors.EVENT_READ, pid)
        return True

    def _kill(self, child: Child) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)

    def _kill_late(self) -> None:
        for child in self._children.values():
            if not child.too_late and time.monotonic() >= child.ends_at:
                child.too_late = True
                self._kill(child)

    def _kill_all(self) -> None:
        for child in self._children.values():
            self._kill(child)

    def _reap(self) -> None:
        for pid in tuple(self._children):
            reaped, status, spent = os.wait4(pid, os.WNOHANG)
            if reaped != pid:
                continue
            child = self._children.pop(pid)
            with contextlib.suppress(KeyError):
                self._selector.unregister(child.worker)
            code = os.waitstatus_to_exitcode(status)
            _tell(
                child.worker,
                ChildExit(
                    code=max(code, 0),
                    signal=max(-code, 0),
                    too_late=child.too_late,
                    cpu_s=spent.ru_utime + spent.ru_stime,
                    peak_bytes=spent.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
                ),
            )


def _tell(worker: socket.socket, end: ChildExit) -> None:
    with contextlib.suppress(OSError):
        worker.send(msgspec.msgpack.encode(end))
    worker.close()


# ------------------------------------------------------------------ in the child


def _be_child(
    run: Run,
    layers: list[str],
    request: ForkRequest,
    source: int,
    folder: int,
    answer: int,
    forker_pid: int,
) -> None:
    """Do the work of the child and exit. Never returns."""
    try:
        die_with_parent(forker_pid)
        os.setsid()
        _restore_signals()
        os.fchdir(folder)
        source, answer = _keep_only(source, answer)
        layers = [*confine(request.bounds), *layers]
        os.write(answer, msgspec.msgpack.encode(_answer(run, request, layers, source)))
        os._exit(0)
    finally:
        os._exit(1)


def _restore_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _keep_only(source: int, answer: int) -> tuple[int, int]:
    """Close all files but these two. Standard input, output and errors lead nowhere."""
    first = fcntl.fcntl(source, fcntl.F_DUPFD, 10)
    second = fcntl.fcntl(answer, fcntl.F_DUPFD, 10)
    with open(os.devnull, "r+b", buffering=0) as nowhere:
        for standard in range(3):
            os.dup2(nowhere.fileno(), standard)
    kept = os.dup2(first, 3), os.dup2(second, 4)
    os.closerange(5, os.sysconf("SC_OPEN_MAX"))
    return kept


def _answer(run: Run, request: ForkRequest, layers: list[str], source: int) -> ChildAnswer:
    missing = [layer for layer in REQUIRED if layer not in layers] if request.required else []
    if missing or request.order is None:
        return ChildAnswer(layers, missing)
    try:
        with os.fdopen(source, "rb", closefd=False) as file:
            return ChildAnswer(made=run(request.order, file))
    except Unusable as unusable:
        return ChildAnswer(unusable=unusable.reason)
    except BaseException as error:
        return ChildAnswer(fault=type(error).__name__)


def main() -> None:
    """Serve requests from the socket that is standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    run: Run = importlib.import_module(sys.argv[1]).run
    layers = [NETWORK] if give_up_network() else []
    os.umask(0o077)
    gc.collect()
    gc.freeze()
    requests = socket.socket(fileno=os.dup(0))
    requests.send(b"ready")
    Forker(requests, run, layers).serve()


if __name__ == "__main__":
    main()
