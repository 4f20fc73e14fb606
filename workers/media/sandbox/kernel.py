"""Calls to the Linux kernel that Python has no names for."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def prctl(option: int, one: int, other: bytes | None = None) -> bool:
    """Call prctl and return whether it succeeded. The kernel wants whole words, and zero in those
    that are not used.
    """
    nothing = ctypes.c_ulong(0)
    done = libc.prctl(ctypes.c_int(option), ctypes.c_ulong(one), other or nothing, nothing, nothing)
    return bool(done == 0)
