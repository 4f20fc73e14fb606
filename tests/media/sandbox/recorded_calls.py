"""What children of the sandbox call, for the list in workers/media/sandbox/seccomp.py: no test, but
to be run when a decoder's library or Python has a new version.

    strace -f -qq -o calls .venv/bin/python -m pytest tests/media/test_pictures.py \\
        tests/media/test_videos.py tests/media/test_film_colours.py tests/media/test_sounds.py \\
        tests/media/test_hostile_files.py
    .venv/bin/python -m tests.media.sandbox.recorded_calls calls

Prints each call that a process made after it had its filter, how often, and how often the filter
refused it. What is refused and needed shows as a test that fails.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable

_CALL = re.compile(r"(?P<pid>\d+)\s+(?:<\.\.\. )?(?P<name>\w+)(?:\(| resumed>)(?P<rest>.*)")
_RESULT = re.compile(r"= (-?\d+)(?: (\w+))?[^=]*$")
_REFUSALS = {"EPERM", "ENOSYS"}


def count_calls(lines: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Calls of confined processes and their threads; and those of them that were refused."""
    confined: set[str] = set()
    called: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for line in lines:
        found = _CALL.match(line)
        if found is None:
            continue
        pid, name, rest = found.group("pid", "name", "rest")
        result = _RESULT.search(rest)
        if pid in confined and "<unfinished" not in rest:
            called[name] += 1
            refused[name] += result is not None and result[2] in _REFUSALS
            if name == "clone" and result is not None:
                confined.add(result[1])
        if name == "prctl" and "PR_SET_SECCOMP" in rest:
            confined.add(pid)
    return called, refused


def main() -> None:
    with open(sys.argv[1], errors="replace") as lines:
        called, refused = count_calls(lines)
    for name, times in sorted(called.items()):
        sys.stdout.write(f"{name:20} {times:8} {refused[name] or '':>8}\n")


if __name__ == "__main__":
    main()
