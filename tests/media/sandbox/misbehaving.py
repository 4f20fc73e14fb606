"""A module for the sandbox whose children do what a decoder does when a file has taken it over."""

import asyncio
import contextlib
import ctypes
import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from models.media.renditions import Rendition, RenditionName
from workers.media.sandbox.confinement import Bounds
from workers.media.sandbox.kernel import libc
from workers.media.sandbox.protocol import MIB, Rendered
from workers.media.sandbox.sandbox import Sandbox

BOUNDS = Bounds(memory_bytes=64 * MIB, file_bytes=MIB, cpu_s=20, deadline_s=20)


def run(order: bytes, source: BinaryIO) -> bytes:
    """`order` names one of the acts, with what it is about behind a space."""
    name, _, about = order.decode(errors="replace").partition(" ")
    return ACTS.get(name, _lie)(about, source)


def main() -> None:
    """A worker that waits for a child."""

    async def wait() -> None:
        folder = Path(sys.argv[1])
        await Sandbox(__spec__.name).run(b"hang", folder / "source", folder, BOUNDS)

    asyncio.run(wait())


def _refused(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return type(error).__name__
    return "done"


def _say(about: str, source: BinaryIO) -> bytes:
    return source.read()


def _crash(about: str, source: BinaryIO) -> bytes:
    return ctypes.string_at(0)


def _loop(about: str, source: BinaryIO) -> bytes:
    while True:
        pass


def _hang(about: str, source: BinaryIO) -> bytes:
    with open("pid", "w") as file:
        file.write(str(os.getpid()))
    while True:
        threading.Event().wait()


def _eat(about: str, source: BinaryIO) -> bytes:
    eaten = []
    while True:
        eaten.append(bytearray(MIB))


def _talk(about: str, source: BinaryIO) -> bytes:
    return bytes(int(about))


def _stutter(about: str, source: BinaryIO) -> bytes:
    """Says nonsense where its answer belongs."""
    os.write(4, b"\xc1 nonsense")
    os._exit(0)


def _fill(about: str, source: BinaryIO) -> bytes:
    with open("much", "wb") as file:
        while True:
            file.write(bytes(MIB))


def _read(path: str, source: BinaryIO) -> bytes:
    return Path(path).read_bytes()


def _write(path: str, source: BinaryIO) -> bytes:
    return b"%d" % Path(path).write_bytes(b"!")


def _connect(port: str, source: BinaryIO) -> bytes:
    return _refused(lambda: socket.create_connection(("127.0.0.1", int(port)))).encode()


def _fork(about: str, source: BinaryIO) -> bytes:
    def attempt() -> None:
        if os.fork() == 0:
            os._exit(0)

    return _refused(attempt).encode()


def _exec(about: str, source: BinaryIO) -> bytes:
    return _refused(lambda: os.execv(sys.executable, [sys.executable, "-V"])).encode()


def _kill(pid: str, source: BinaryIO) -> bytes:
    return _refused(lambda: os.kill(int(pid), signal.SIGKILL)).encode()


def _link(target: str, source: BinaryIO) -> bytes:
    return _refused(lambda: os.symlink(target, "link")).encode()


def _call(about: str, source: BinaryIO) -> bytes:
    """Make a system call by its number and arguments. Return what came of it, by name."""
    number, *arguments = (int(each) for each in about.split())
    return _called(number, *arguments).encode()


def _called(number: int, *arguments: int) -> str:
    # What is allowed would read and write where it should not, were it called with less.
    words = [ctypes.c_long(each) for each in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
    ctypes.set_errno(0)
    if libc.syscall(ctypes.c_long(number), *words) >= 0:
        return "done"
    return errno.errorcode[ctypes.get_errno()]


def _call_all(numbers: str, source: BinaryIO) -> bytes:
    """Each of these system calls, without arguments."""
    return msgspec.json.encode({each: _called(int(each)) for each in numbers.split()})


def _abort(about: str, source: BinaryIO) -> bytes:
    os.abort()


def _thread(about: str, source: BinaryIO) -> bytes:
    said: list[bytes] = []
    thread = threading.Thread(target=lambda: said.append(b"from a thread"))
    thread.start()
    thread.join()
    return said[0]


def _look(about: str, source: BinaryIO) -> bytes:
    """Return what it has of the worker: environment, and open files beside the standard ones."""
    files = []
    for number in range(3, 64):
        with contextlib.suppress(OSError):
            os.fstat(number)
            files.append(number)
    return msgspec.json.encode([sorted(os.environ), files])


def _lie(about: str, source: BinaryIO) -> bytes:
    """Say that it has made a preview; the file's content may name another file for it."""
    name = "elsewhere.jpg" if source.read() == b"elsewhere" else "preview.jpg"
    byte_size = 1
    with contextlib.suppress(OSError):
        # Honest in this, so that nothing but the lie is wrong.
        byte_size = os.lstat(name).st_size
    preview = Rendition(RenditionName.PREVIEW, name, "image/jpeg", byte_size, 1, 1)
    return msgspec.msgpack.encode(Rendered("image/png", [preview]))


ACTS: dict[str, Callable[[str, BinaryIO], bytes]] = {
    "say": _say,
    "crash": _crash,
    "loop": _loop,
    "hang": _hang,
    "eat": _eat,
    "talk": _talk,
    "stutter": _stutter,
    "fill": _fill,
    "read": _read,
    "write": _write,
    "connect": _connect,
    "fork": _fork,
    "exec": _exec,
    "kill": _kill,
    "link": _link,
    "thread": _thread,
    "call": _call,
    "call_all": _call_all,
    "abort": _abort,
    "look": _look,
}

if __name__ == "__main__":
    main()
