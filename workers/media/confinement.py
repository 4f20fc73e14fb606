"""What a child gives up before it looks at a file: memory, time, open files, the file system, the
network, other programs.

Limits of resources hold everywhere. The rest is what the Linux kernel offers without privileges, as
far as it does: no new privileges, Landlock (nothing can be opened outside of the folder but
Python's own code), seccomp (no sockets, no programs, no second process), no capabilities, no
network. Where the kernel lacks one, the others hold.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
import sysconfig

import msgspec

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWNET = 0x4000_0000
_CLONE_THREAD = 0x0001_0000
OPEN_FILES = 32

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _prctl(option: int, one: int | bytes, other: bytes | None = None) -> None:
    """Whatever comes of it. The kernel wants whole words, and zero in those that say nothing."""
    word = ctypes.c_ulong(one) if isinstance(one, int) else one
    nothing = ctypes.c_ulong(0)
    _libc.prctl(ctypes.c_int(option), word, other or nothing, nothing, nothing)


class Bounds(msgspec.Struct, frozen=True):
    """`memory_bytes` comes on top of what the program has already; `niceness` on top of its own."""

    memory_bytes: int
    file_bytes: int
    cpu_s: int
    deadline_s: float
    niceness: int = 0


def give_up_network() -> bool:
    """For this process and its children; whether the kernel let us."""
    if sys.platform != "linux":
        return False
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET
    return bool(_libc.unshare(flags) == 0)


def die_with_parent(parent_pid: int) -> None:
    if sys.platform != "linux":
        return
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have died before.
    if os.getppid() != parent_pid:
        os._exit(1)


def confine(bounds: Bounds) -> None:
    """For good, with the present folder as the only one that can be written to."""
    limit_resources(bounds)
    if sys.platform != "linux":
        return
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # Nobody of the same user looks into its memory.
    _prctl(_PR_SET_DUMPABLE, 0)
    _keep_to_folder()
    _drop_capabilities()
    _filter_calls()


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


# ------------------------------------------------------------------ files: Landlock

_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_ADD_RULE = 445
_LANDLOCK_RESTRICT_SELF = 446
_PATH_BENEATH = 1
# The rights that each version of Landlock added, as the number of bits.
_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15}
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_FILE, _MAKE_FILE, _TRUNCATE = 1 << 5, 1 << 8, 1 << 14
_CODE = ("stdlib", "platstdlib", "purelib", "platlib")
_READING = _READ_FILE | _READ_DIR
_WORKING = _READING | _WRITE_FILE | _REMOVE_FILE | _MAKE_FILE | _TRUNCATE


def _keep_to_folder() -> None:
    abi = _libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return
    rights = (1 << _RIGHTS_BY_ABI.get(abi, 16)) - 1
    # Files; from version 4 on TCP; from 6 on sockets by abstract names, and signals.
    attributes = struct.pack("=QQQ", rights, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    known = {1: 8, 2: 8, 3: 8, 4: 16, 5: 16}.get(abi, 24)
    ruleset = _libc.syscall(
        _LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(known), ctypes.c_uint(0)
    )
    if ruleset < 0:
        return
    _allow(ruleset, ".", _WORKING & rights)
    for path in {sysconfig.get_path(name) for name in _CODE}:
        _allow(ruleset, path, _READING)
    _libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, ctypes.c_uint(0))
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    rule = struct.pack("=Qi", rights, folder)
    _libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _PATH_BENEATH, rule, ctypes.c_uint(0))
    os.close(folder)


# ------------------------------------------------------------------ privileges


def _drop_capabilities() -> None:
    if platform.machine() in _CAPSET:
        header = struct.pack("=Ii", 0x2008_0522, 0)
        _libc.syscall(_CAPSET[platform.machine()], header, bytes(24))


_CAPSET = {"x86_64": 126, "aarch64": 91}

# ------------------------------------------------------------------ system calls: seccomp

# Each with its number on x86_64 and aarch64; -1 where there is none.
_FORBIDDEN = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "fork": (57, -1),
    "vfork": (58, -1),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "link": (86, -1),
    "linkat": (265, 37),
    "symlink": (88, -1),
    "symlinkat": (266, 36),
    "mknod": (133, -1),
    "mknodat": (259, 33),
    "mount": (165, 40),
    "umount2": (166, 39),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "unshare": (272, 97),
    "setns": (308, 268),
    "prlimit64": (302, 261),
    "setrlimit": (160, 164),
    "setpriority": (141, 140),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "open_by_handle_at": (304, 265),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "personality": (135, 92),
    "memfd_create": (319, 279),
}
_ARCHITECTURES = {"x86_64": (0, 0xC000_003E, 56), "aarch64": (1, 0xC000_00B7, 220)}
_CLONE3 = 435
_ALLOW, _KILL, _ERROR = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_EPERM, _ENOSYS = 1, 38
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06


def _filter_calls() -> None:
    """A program of classic BPF: what is forbidden fails with EPERM. Threads may be made."""
    column, architecture, clone = _ARCHITECTURES.get(platform.machine(), (-1, 0, 0))
    if column < 0:
        return
    numbers = [each[column] for each in _FORBIDDEN.values() if each[column] >= 0]
    program = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        # The other numbering of x86_64.
        (_AT_LEAST, 0, 1, 0x4000_0000),
        (_RETURN, 0, 0, _KILL),
        # Its flags are out of sight; the C library falls back on clone.
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ERROR | _ENOSYS),
    ]
    for number in numbers:
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR | _EPERM)]
    program += [
        (_EQUAL, 0, 3, clone),
        (_LOAD, 0, 0, 16),
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _ERROR | _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    filters = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filters)
