"""The sandbox: a child process for each file. It decodes the file with memory and time of its own,
sees nothing of this process and of the disk only one folder, and crashes alone.

- A crash, a hang or too much memory give a `SandboxResult` with a fault, and no later file suffers.
- Whoever stops waiting kills the child; when this process dies, all children die.
- The answer of a child is decoded as `bytes` and not trusted: the caller checks it.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from workers.media.sandbox.confinement import Bounds
from workers.media.sandbox.forker import ChildAnswer, ChildExit, ForkRequest
from workers.media.sandbox.protocol import MIB

ROOT = Path(__file__).parents[3]
START_WITHIN_S = 60.0
STOP_WITHIN_S = 5.0
# A child that says more than a pipe holds waits for ever, and is killed for that.
MOST_ANSWER_BYTES = 64 * 1024
TOO_LATE = "TooLate"
# One arena: the limit is of address space, and each arena takes 64 MB of it.
ENVIRONMENT = {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}


class SandboxFailed(Exception):
    """A fault of ours, not of the file. `missing` are the required layers of a child's confinement
    that were not in force.
    """

    def __init__(self, missing: Sequence[str] = ()) -> None:
        super().__init__(f"Not in force: {', '.join(missing)}." if missing else "No child.")
        self.missing = missing


class SandboxResult(msgspec.Struct, frozen=True):
    """The result of a child: what it made, or why it made nothing: `unusable` in its own words, or
    a `fault`, which is the class of an exception or how the child ended, and says nothing of the
    file. `layers` are reported when it had no order.
    """

    exit: ChildExit
    layers: list[str] = []
    made: bytes = b""
    unusable: str | None = None
    fault: str | None = None


class Sandbox:
    """Runs the function `run` of a module in children. The first file starts it."""

    def __init__(self, module: str, *, required: bool = True) -> None:
        """Take the module. With `required`, a child that lacks a required layer of confinement does
        not open its file.
        """
        self._module = module
        self._required = required
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Return the process id of the program that forks children; None before it starts."""
        return None if self._process is None else self._process.pid

    async def list_layers(self) -> list[str]:
        """Return the layers of confinement that children have on this machine.

        Raises:
            SandboxFailed: one that is required is `missing`; or there was no child.
        """
        bounds = Bounds(memory_bytes=64 * MIB, file_bytes=MIB, cpu_s=10, deadline_s=START_WITHIN_S)
        with tempfile.TemporaryDirectory() as folder:
            ended = await self.run(None, Path(os.devnull), Path(folder), bounds)
        if ended.fault is not None:
            raise SandboxFailed
        return ended.layers

    async def run(
        self, order: bytes | None, source: Path, folder: Path, bounds: Bounds
    ) -> SandboxResult:
        """Run a child with the file open and the folder as its present one.

        Raises:
            SandboxFailed: there was no child, or it was not confined as it must be, or it is
                unknown what became of it.
            OSError: the file or folder is not there.
        """
        requests = await self._ready()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        answer, answering = os.pipe()
        said = b""
        try:
            with _closing(answer), ours:
                with _closing(answering), theirs:
                    given = [answering, theirs.fileno()]
                    await _send(
                        requests, ForkRequest(bounds, order, self._required), source, folder, given
                    )
                end = await _wait(ours)
                os.set_blocking(answer, False)
                with contextlib.suppress(BlockingIOError):
                    said = os.read(answer, MOST_ANSWER_BYTES)
        except ConnectionError:
            raise SandboxFailed from None
        return _ended(end, said)

    async def close(self) -> None:
        """Kill what runs."""
        if self._requests is not None:
            self._requests.close()
            self._requests = None
        if self._process is not None:
            process, self._process = self._process, None
            await asyncio.to_thread(_end, process)

    # ---------------------------------------------------------------- beginning

    async def _ready(self) -> socket.socket:
        async with self._starting:
            if self._process is not None and self._process.poll() is not None:
                await self.close()
            if self._requests is None:
                self._requests = await self._start()
            return self._requests

    async def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            self._process = await asyncio.to_thread(_spawn, self._module, theirs)
        try:
            async with asyncio.timeout(START_WITHIN_S):
                if await asyncio.get_running_loop().sock_recv(ours, 16) == b"ready":
                    return ours
                raise SandboxFailed
        except BaseException as error:
            ours.close()
            await self.close()
            if isinstance(error, TimeoutError | ConnectionError):
                raise SandboxFailed from None
            raise


def _spawn(module: str, requests: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "workers.media.sandbox.forker", module],
        stdin=requests.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=ENVIRONMENT,
        start_new_session=True,
    )


async def _send(
    requests: socket.socket, request: ForkRequest, source: Path, folder: Path, given: list[int]
) -> None:
    message = msgspec.msgpack.encode(request)
    with (
        _closing(os.open(source, os.O_RDONLY)) as file,
        _closing(os.open(folder, os.O_RDONLY | os.O_DIRECTORY)) as opened,
    ):
        while True:
            try:
                socket.send_fds(requests, [message], [file, opened, *given])
                return
            except BlockingIOError:
                await asyncio.sleep(0.01)


async def _wait(worker: socket.socket) -> ChildExit:
    loop = asyncio.get_running_loop()
    try:
        said = await loop.sock_recv(worker, 4096)
    except asyncio.CancelledError:
        # The child is killed, and has let go of the folder when this returns.
        worker.shutdown(socket.SHUT_WR)
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(STOP_WITHIN_S):
                await loop.sock_recv(worker, 4096)
        raise
    end = msgspec.msgpack.decode(said, type=ChildExit) if said else ChildExit(began=False)
    if not end.began:
        raise SandboxFailed
    return end


def _ended(end: ChildExit, said: bytes) -> SandboxResult:
    if end.too_late:
        return SandboxResult(end, fault=TOO_LATE)
    if end.signal:
        return SandboxResult(end, fault=signal.Signals(end.signal).name)
    try:
        answer = msgspec.msgpack.decode(said, type=ChildAnswer)
    except msgspec.MsgspecError:
        return SandboxResult(end, fault="Nonsense")
    if answer.missing:
        raise SandboxFailed(answer.missing)
    return SandboxResult(end, answer.layers, answer.made, answer.unusable, answer.fault)


@contextlib.contextmanager
def _closing(file: int) -> Iterator[int]:
    try:
        yield file
    finally:
        os.close(file)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for the process, which ends by itself when nobody can ask it any longer; kill it when it
    does not.
    """
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_WITHIN_S)
