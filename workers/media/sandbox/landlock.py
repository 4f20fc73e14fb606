"""The files that a child has left, by Landlock: its folder, and Python's own code to read."""

import ctypes
import os
import struct
import sysconfig

from workers.media.sandbox.kernel import libc

_CREATE_RULESET = 444
_ADD_RULE = 445
_RESTRICT_SELF = 446
_PATH_BENEATH = 1
# The rights that each version of Landlock added, as the number of bits.
_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15}
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_FILE, _MAKE_FILE, _TRUNCATE = 1 << 5, 1 << 8, 1 << 14
_CODE = ("stdlib", "platstdlib", "purelib", "platlib")
_READING = _READ_FILE | _READ_DIR
_WORKING = _READING | _WRITE_FILE | _REMOVE_FILE | _MAKE_FILE | _TRUNCATE


def keep_to_folder() -> bool:
    """Keep to the present folder, for good: open nothing outside of the present folder but Python's
    code, which it reads; whether the kernel let us.
    """
    abi = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return False
    rights = (1 << _RIGHTS_BY_ABI.get(abi, 16)) - 1
    # Files; from version 4 on TCP; from 6 on sockets by abstract names, and signals.
    attributes = struct.pack("=QQQ", rights, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    known = {1: 8, 2: 8, 3: 8, 4: 16, 5: 16}.get(abi, 24)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(known), ctypes.c_uint(0))
    if ruleset < 0:
        return False
    _allow(ruleset, ".", _WORKING & rights)
    for path in {sysconfig.get_path(name) for name in _CODE}:
        _allow(ruleset, path, _READING)
    done = libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint(0))
    os.close(ruleset)
    return bool(done == 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    rule = struct.pack("=Qi", rights, folder)
    libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, ctypes.c_uint(0))
    os.close(folder)
