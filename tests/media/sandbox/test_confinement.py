"""What a decoder that was taken over may still ask of the kernel; and that a machine which cannot
forbid the rest says so.
"""

import asyncio
import os
import platform
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from examples.server import ROOT
from parley.embedded import EmbeddedServers
from parley.settings import Settings
from tests.jobs.running import environment_of, kept, real_worker
from tests.media.sandbox.misbehaving import BOUNDS
from tests.waiting import eventually
from workers.media.sandbox.confinement import LANDLOCK, LAYERS, REQUIRED, SECCOMP
from workers.media.sandbox.sandbox import Sandbox, SandboxFailed
from workers.media.sandbox.seccomp import ALLOWED

COLUMN = ("x86_64", "aarch64").index(platform.machine())
# All that Linux 6.18 has, and some that later ones may have; but for two of x86_64 that are for the
# kernel's own probes, which no filter sees, and which end whoever else calls them.
ALL = [number for number in range(500) if (COLUMN, number) not in {(0, 335), (0, 336)}]
YOUNG = 424
CLONE, FCNTL, IOCTL, PRCTL, TGKILL = (
    pair[COLUMN] for pair in ((56, 220), (72, 25), (16, 29), (157, 167), (234, 131))
)
THREAD, NEW_USER, CHILD_SIGNAL = 0x0001_0000, 0x1000_0000, 17
LOW_PID = 2


@pytest_asyncio.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox("tests.media.sandbox.misbehaving")
    yield sandbox
    await sandbox.close()


async def ask(sandbox: Sandbox, folder: Path, order: str) -> str:
    source = folder / "source"
    source.write_bytes(b"content")
    ended = await sandbox.run(order.encode(), source, folder, BOUNDS)
    assert ended.fault is None, ended
    return ended.made.decode()


# ------------------------------------------------------------------ what it may not

# By their numbers on x86_64 and aarch64.
FORBIDDEN = {
    "chmod": (90, 53),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, 54),
    "fchown": (93, 55),
    "utime": (132, 88),
    "utimes": (235, 88),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "fork": (57, 220),
    "vfork": (58, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "prlimit64": (302, 261),
    "setpriority": (141, 140),
    "sched_setaffinity": (203, 122),
    "mkdirat": (258, 34),
    "renameat2": (316, 276),
    "linkat": (265, 37),
    "symlinkat": (266, 36),
    "truncate": (76, 45),
    "memfd_create": (319, 279),
    "mlock": (149, 228),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "seccomp": (317, 277),
    "unshare": (272, 97),
    "mount": (165, 40),
    "keyctl": (250, 219),
    "uname": (63, 160),
}


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_a_call_that_decoding_does_not_need_fails(
    sandbox: Sandbox, tmp_path: Path, name: str
) -> None:
    number = FORBIDDEN[name][COLUMN]
    assert await ask(sandbox, tmp_path, f"call {number}") == (
        "EPERM" if number < YOUNG else "ENOSYS"
    )


async def test_every_call_that_is_not_listed_fails_and_none_kills(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Those whose arguments matter are tried below."""
    listed = {numbers[COLUMN] for numbers in ALLOWED.values()}
    others = [each for each in ALL if each not in {*listed, CLONE, FCNTL, IOCTL, PRCTL, TGKILL}]

    said = msgspec.json.decode(
        await ask(sandbox, tmp_path, f"call_all {' '.join(map(str, others))}")
    )

    assert said == {str(each): "EPERM" if each < YOUNG else "ENOSYS" for each in others}


@pytest.mark.parametrize(
    "call",
    [
        (CLONE, CHILD_SIGNAL),
        (CLONE, THREAD | NEW_USER),
        # Of who gets the signals of a file, and which.
        (FCNTL, 3, 8, 1),
        (FCNTL, 3, 10, 9),
        (FCNTL, 3, 4, 0),
        # Types for others into a terminal.
        (IOCTL, 0, 0x5412),
        # Not to be looked into, to die with its parent.
        (PRCTL, 4, 1),
        (PRCTL, 1, 0),
        (TGKILL, LOW_PID, LOW_PID, 9),
        (TGKILL, 1, 1, 0),
        # Of the other numbering.
        (0x4000_0000 | 41, 1, 1, 0),
    ],
)
async def test_a_call_that_it_needs_does_nothing_else(
    sandbox: Sandbox, tmp_path: Path, call: tuple[int, ...]
) -> None:
    assert await ask(sandbox, tmp_path, f"call {' '.join(map(str, call))}") == "EPERM"


async def test_who_aborts_ends_by_a_signal_to_itself(sandbox: Sandbox, tmp_path: Path) -> None:
    ended = await sandbox.run(b"abort", Path(__file__), tmp_path, BOUNDS)
    assert ended.fault == "SIGABRT"


# ------------------------------------------------------------------ what is in force


async def test_all_that_must_be_is_in_force_here(sandbox: Sandbox) -> None:
    assert set(REQUIRED) <= set(await sandbox.list_layers()) <= set(LAYERS)


@pytest.mark.parametrize(
    ("lacking", "missing"),
    [("landlock", LANDLOCK), ("seccomp", SECCOMP), ("architecture", SECCOMP)],
)
async def test_where_a_layer_must_be_and_is_not_nothing_is_decoded(
    tmp_path: Path, lacking: str, missing: str
) -> None:
    sandbox = Sandbox(f"tests.media.sandbox.lacking.{lacking}")
    try:
        for order in (b"say", None):
            with pytest.raises(SandboxFailed) as failed:
                await sandbox.run(order, Path(__file__), tmp_path, BOUNDS)
            assert failed.value.missing == [missing]
    finally:
        await sandbox.close()


async def test_where_it_need_not_be_the_others_hold_and_it_is_told(tmp_path: Path) -> None:
    sandbox = Sandbox("tests.media.sandbox.lacking.landlock", required=False)
    try:
        layers = await sandbox.list_layers()
        assert await ask(sandbox, tmp_path, f"call {FORBIDDEN['kill'][COLUMN]}") == "EPERM"
    finally:
        await sandbox.close()

    assert (LANDLOCK in layers, SECCOMP in layers) == (False, True)


LACKING = ["tests.media.sandbox.lacking.worker"]


async def test_a_worker_says_what_decoders_are_confined_by(
    settings: Settings, s3: EmbeddedServers, tmp_path: Path
) -> None:
    async with real_worker(settings, s3, tmp_path) as worker:
        await eventually(lambda: "The worker works." in "".join(worker.lines()))

    said = [line for line in worker.lines() if "Files are decoded under" in line]
    assert len(said) == 1
    assert all(layer in said[0] for layer in REQUIRED)


async def test_a_worker_that_need_not_have_them_all_warns(
    settings: Settings, s3: EmbeddedServers, tmp_path: Path
) -> None:
    environment = environment_of(settings, s3)
    async with kept(LACKING, environment, tmp_path / "log") as worker:
        await eventually(lambda: "The worker works." in "".join(worker.lines()))

    assert any("WARNING" in line and "without: landlock" in line for line in worker.lines())


async def test_a_worker_that_must_does_not_start(settings: Settings, s3: EmbeddedServers) -> None:
    given = environment_of(settings, s3) | {"PARLEY_MEDIA_SANDBOX": "require"}
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *LACKING),
        cwd=ROOT,
        env=os.environ | given,
        stderr=asyncio.subprocess.PIPE,
    )

    _, said = await asyncio.wait_for(worker.communicate(), 60)

    sentence = said.decode().splitlines()[-1]
    assert worker.returncode == 2
    assert sentence.startswith("PARLEY_MEDIA_SANDBOX is 'require'")
    assert "landlock" in sentence
