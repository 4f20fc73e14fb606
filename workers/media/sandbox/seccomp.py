"""The system calls that a child has left: an allow-list, as a program of classic BPF.

The list is what children called over all files of the tests, recorded with strace
(tests/media/sandbox/recorded_calls.py); and of the same calls, the names that they have with
another C library or kernel. All others fail with EPERM, or,
where they are young enough for programs to do without them, with ENOSYS: nothing is killed.
"""

import ctypes
import os
import struct

import msgspec

from workers.media.sandbox.kernel import prctl

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2

# Each with its number on x86_64 and on aarch64; -1 where there is none.
ALLOWED = {
    # Memory
    "brk": (12, 214),
    "madvise": (28, 233),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    # Files, which Landlock keeps to the folder
    "close": (3, 57),
    "fstat": (5, 80),
    "getdents64": (217, 61),
    "lseek": (8, 62),
    "lstat": (6, -1),
    "newfstatat": (262, 79),
    "open": (2, -1),
    "openat": (257, 56),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "read": (0, 63),
    "readv": (19, 65),
    "stat": (4, -1),
    "statx": (332, 291),
    "unlink": (87, -1),
    "unlinkat": (263, 35),
    "write": (1, 64),
    "writev": (20, 66),
    # Threads
    "futex": (202, 98),
    "rseq": (334, 293),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "set_robust_list": (273, 99),
    # Signals that it gets
    "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    # Itself, time and chance
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "getpid": (39, 172),
    "getrandom": (318, 278),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "nanosleep": (35, 101),
    "time": (201, -1),
}
# Allowed with these values of their first or second argument only.
_CLONE, _FCNTL, _IOCTL, _PRCTL, _TGKILL = (56, 220), (72, 25), (16, 29), (157, 167), (234, 131)
# To copy a file's number, and what is asked of and said about the copy: not who gets signals of it.
_FCNTL_COMMANDS = (0, 1, 2, 3, 1030)
# Whether it is a terminal, which Python asks of each file.
_IOCTL_REQUESTS = (0x5401,)
# The names of a thread and of memory.
_PRCTL_OPTIONS = (15, 0x5356_4D41)
# What makes a thread, with the C libraries of GNU and musl; anything else makes a process.
_THREAD, _THREAD_FLAGS = 0x0001_0000, 0x007D_0F00

# Numbers from here on are the same everywhere, and young. `clone3` is one: its flags are out of
# sight, and the C library falls back on `clone`.
_YOUNG = 424
_X32 = 0x4000_0000
_ALLOW, _ERROR = 0x7FFF_0000, 0x0005_0000
_EPERM, _ENOSYS = _ERROR | 1, _ERROR | 38
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

Line = tuple[int, int, int, int]


class _Architecture(msgspec.Struct, frozen=True):
    column: int
    audit: int


_ARCHITECTURES = {
    "x86_64": _Architecture(0, 0xC000_003E),
    "aarch64": _Architecture(1, 0xC000_00B7),
}


def filter_calls() -> bool:
    """Filter system calls for good. Return whether the kernel and the architecture allowed it."""
    architecture = _ARCHITECTURES.get(os.uname().machine)
    if architecture is None:
        return False
    return install(_program(architecture))


def install(program: list[Line]) -> bool:
    """Install the filter for this thread and those that it starts. It needs no new privileges, or
    root.
    """
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    filters = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    return prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filters)


def _program(architecture: _Architecture) -> list[Line]:
    at = architecture.column
    program = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, architecture.audit),
        (_RETURN, 0, 0, _EPERM),
        (_LOAD, 0, 0, 0),
        # The other numbering of x86_64.
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _EPERM),
    ]
    for numbers in ALLOWED.values():
        if numbers[at] >= 0:
            program += [(_EQUAL, 0, 1, numbers[at]), (_RETURN, 0, 0, _ALLOW)]
    program += _only(_FCNTL[at], 1, _FCNTL_COMMANDS)
    program += _only(_IOCTL[at], 1, _IOCTL_REQUESTS)
    program += _only(_PRCTL[at], 0, _PRCTL_OPTIONS)
    # `abort` ends the process by a signal to itself.
    program += _only(_TGKILL[at], 0, (os.getpid(),))
    return [
        *program,
        (_EQUAL, 0, 5, _CLONE[at]),
        _argument(0),
        (_ANY_BIT, 2, 0, ~_THREAD_FLAGS & 0xFFFF_FFFF),
        (_ANY_BIT, 0, 1, _THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _EPERM),
        (_AT_LEAST, 0, 1, _YOUNG),
        (_RETURN, 0, 0, _ENOSYS),
        (_RETURN, 0, 0, _EPERM),
    ]


def _only(number: int, argument: int, values: tuple[int, ...]) -> list[Line]:
    """Return the lines that allow this call with one of these values only."""
    checks: list[Line] = []
    for value in values:
        checks += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    block = [_argument(argument), *checks, (_RETURN, 0, 0, _EPERM)]
    return [(_EQUAL, 0, len(block), number), *block]


def _argument(place: int) -> Line:
    """Its lower half: all that the kernel reads of these."""
    return (_LOAD, 0, 0, 16 + 8 * place)
