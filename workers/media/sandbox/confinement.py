"""Confinement: what a child gives up before it looks at a file: memory, time, open files, the file
system, the network, other programs.

Limits of resources hold everywhere. The rest is what the Linux kernel offers without privileges: no
new privileges, Landlock, seccomp, no capabilities, no network. Each is a layer with a name, and a
layer that could not be set up is never silent: `confine` says which are in force, and where they
are required, a child without one of `REQUIRED` looks at no file.
"""

import os
import resource
import signal
import struct
import sys

import msgspec

from workers.media.sandbox.kernel import libc, prctl
from workers.media.sandbox.landlock import keep_to_folder
from workers.media.sandbox.seccomp import filter_calls

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWNET = 0x4000_0000
OPEN_FILES = 32

LIMITS, LANDLOCK, SECCOMP = "limits", "landlock", "seccomp"
PRIVILEGES, CAPABILITIES, NETWORK = "no new privileges", "no capabilities", "no network"
# Containers forbid a network of one's own; seccomp forbids sockets.
REQUIRED = (LIMITS, LANDLOCK, SECCOMP)
LAYERS = (*REQUIRED, PRIVILEGES, CAPABILITIES, NETWORK)


class Bounds(msgspec.Struct, frozen=True):
    """`memory_bytes` comes on top of what the program has already; `niceness` on top of its own."""

    memory_bytes: int
    file_bytes: int
    cpu_s: int
    deadline_s: float
    niceness: int = 0


def give_up_network() -> bool:
    """Give up the network for this process and its children. Return whether the kernel allowed
    it.
    """
    if sys.platform != "linux":
        return False
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET
    return bool(libc.unshare(flags) == 0)


def die_with_parent(parent_pid: int) -> None:
    if sys.platform != "linux":
        return
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have died before.
    if os.getppid() != parent_pid:
        os._exit(1)


def confine(bounds: Bounds) -> list[str]:
    """Confine this process for good, with the present folder as the only one that can be written
    to. Returns the layers that are in force now.
    """
    limit_resources(bounds)
    if sys.platform != "linux":
        return [LIMITS]
    # Nobody of the same user looks into its memory.
    prctl(_PR_SET_DUMPABLE, 0)
    # In this order: the last forbids what the others call.
    steps = {
        PRIVILEGES: lambda: prctl(_PR_SET_NO_NEW_PRIVS, 1),
        LANDLOCK: keep_to_folder,
        CAPABILITIES: _drop_capabilities,
        SECCOMP: filter_calls,
    }
    return [LIMITS, *(layer for layer, step in steps.items() if step())]


def limit_resources(bounds: Bounds) -> None:
    os.nice(bounds.niceness)
    has_bytes = _address_space_bytes()
    _limit(resource.RLIMIT_AS, has_bytes + bounds.memory_bytes)
    _limit(resource.RLIMIT_FSIZE, bounds.file_bytes)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    # Of the time itself, not of what the parent has used; the kernel ends it a second later.
    resource.setrlimit(resource.RLIMIT_CPU, (bounds.cpu_s, bounds.cpu_s + 1))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, most))


def _address_space_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 1 << 30


_CAPSET = {"x86_64": 126, "aarch64": 91}


def _drop_capabilities() -> bool:
    number = _CAPSET.get(os.uname().machine)
    if number is None:
        return False
    header = struct.pack("=Ii", 0x2008_0522, 0)
    return bool(libc.syscall(number, header, bytes(24)) == 0)
