"""Modules for the sandbox on machines that lack something: importing one takes it from the process
and all that it starts.
"""

from workers.media.sandbox.kernel import prctl
from workers.media.sandbox.seccomp import Line, install

_NO_NEW_PRIVILEGES = 38
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ENOSYS, _EINVAL = 0x7FFF_0000, 0x0005_0026, 0x0005_0016


def lack_call(number: int) -> None:
    """As a kernel that is too old for it."""
    _install([(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ENOSYS)])


def lack_option(number: int, option: int) -> None:
    """As a kernel that was built without it: the call's first argument."""
    _install(
        [
            (_EQUAL, 0, 3, number),
            (_LOAD, 0, 0, 16),
            (_EQUAL, 0, 1, option),
            (_RETURN, 0, 0, _EINVAL),
        ]
    )


def _install(rule: list[Line]) -> None:
    prctl(_NO_NEW_PRIVILEGES, 1)
    assert install([(_LOAD, 0, 0, 0), *rule, (_RETURN, 0, 0, _ALLOW)])
