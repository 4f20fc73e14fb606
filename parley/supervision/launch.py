"""Becomes another program, one that ends with its parent and is not root where that program refuses
to be.

Run by its path with `python -I -S` and one argument, the order as JSON. It imports nothing of ours:
between fork and exec no code of a parent with threads may run, and a server must not wait for
imports. Whatever a change of identity clears (the parent-death signal among it) is set after that
change.
"""

import ctypes
import json
import os
import pwd
import signal
import sys
import time
from pathlib import Path
from typing import TypedDict

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CLONE_NEWUSER = 0x10000000
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522

# initdb refuses a user without a name; every system has this one.
NOBODY = 65534
WATCH_INTERVAL_S = 0.5


class LaunchOrder(TypedDict):
    command: list[str]
    parent: int
    # Sent to the program when the parent is gone.
    orphan_signal: int
    # The program must not be root; this folder is all that it owns. None: as we are.
    owned_dir: str | None
    # For a system that refuses namespaces, or to try what happens there.
    without_namespace: bool
    # Where the kernel does not tell of a parent's death, a watcher asks.
    with_watcher: bool


def main(order: LaunchOrder) -> None:
    os.umask(0o077)
    libc = ctypes.CDLL(None, use_errno=True)
    if order["owned_dir"] is not None and not (os.geteuid() and has_name(os.geteuid())):
        change_identity(
            libc, Path(order["owned_dir"]), without_namespace=order["without_namespace"]
        )
    if order["with_watcher"]:
        leave_watcher(order["parent"], order["orphan_signal"])
    else:
        call(libc, "prctl", PR_SET_PDEATHSIG, order["orphan_signal"], 0, 0, 0)
    if os.getppid() != order["parent"]:
        raise SystemExit("The parent ended first.")
    # Python ignores these two, and what is ignored stays so over exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execv(order["command"][0], order["command"])


def has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def change_identity(libc: ctypes.CDLL, owned_dir: Path, *, without_namespace: bool) -> None:
    """Be `nobody` in a namespace, where the files stay ours: no user is made, no file changes
    hands.

    Where that is refused, root becomes `nobody` indeed, and a user without a name stays as it is.
    """
    if not without_namespace and namespace_works(libc):
        own(owned_dir, os.geteuid(), os.getegid())
        enter_namespace(libc)
    elif os.geteuid() == 0:
        own(owned_dir, NOBODY, NOBODY)
        become_nobody(libc)


def namespace_works(libc: ctypes.CDLL) -> bool:
    """Return True if namespaces work. A child tries it: it may be let in and then be refused."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    try:
        enter_namespace(libc)
    except (OSError, AttributeError):
        os._exit(1)
    os._exit(0)


def enter_namespace(libc: ctypes.CDLL) -> None:
    uid, gid = os.geteuid(), os.getegid()
    call(libc, "unshare", CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1")


def become_nobody(libc: ctypes.CDLL) -> None:
    """Keep no privilege but to reach its files, which may lie below a home that is only root's."""
    if sys.platform == "linux":
        call(libc, "prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setregid(NOBODY, NOBODY)
    os.setreuid(NOBODY, NOBODY)
    if sys.platform == "linux":
        keep_capabilities(libc, (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH))


def keep_capabilities(libc: ctypes.CDLL, wanted: tuple[int, ...]) -> None:
    """Over exec too, as far as this process has them."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # Two words (32 capabilities each) of effective, permitted, inheritable.
    sets = (ctypes.c_uint32 * 6)()
    call(libc, "capget", header, sets)
    kept = [capability for capability in wanted if sets[1] & 1 << capability]
    bits = sum(1 << capability for capability in kept)
    call(libc, "capset", header, (ctypes.c_uint32 * 6)(bits, bits, bits, 0, 0, 0))
    for capability in kept:
        call(libc, "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def own(folder: Path, uid: int, gid: int) -> None:
    if folder.stat().st_uid == uid:
        return
    # The folder itself comes last: it says that the rest is done.
    for path in [*folder.rglob("*"), folder]:
        os.chown(path, uid, gid, follow_symlinks=False)


def leave_watcher(parent: int, orphan_signal: int) -> None:
    """Leave behind a grandchild, so that the program gets no child that it does not know."""
    program = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    while alive(program):
        if not alive(parent):
            os.kill(program, orphan_signal)
            break
        time.sleep(WATCH_INTERVAL_S)
    os._exit(0)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def call(libc: ctypes.CDLL, name: str, *arguments: object) -> None:
    if libc[name](*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
