"""A child that a file has taken over does no harm, and the next file is as good as before."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from examples.server import ROOT
from models.media.media import MediaKind
from tests.media.sandbox.misbehaving import BOUNDS
from tests.waiting import eventually
from workers.media.renditions import MediaRenderer, Unusable
from workers.media.sandbox.sandbox import Sandbox, SandboxFailed, SandboxResult

MODULE = "tests.media.sandbox.misbehaving"
Act = Callable[..., Awaitable[SandboxResult]]


@pytest_asyncio.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(MODULE)
    yield sandbox
    await sandbox.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def act(sandbox: Sandbox, source: Path, tmp_path: Path) -> Act:
    """Have a child do this, in `tmp_path`."""

    async def act(order: str, **bounds: float) -> SandboxResult:
        bounded = msgspec.structs.replace(BOUNDS, **bounds)
        return await sandbox.run(order.encode(), source, tmp_path, bounded)

    return act


async def test_a_child_reads_the_file_that_it_is_given(act: Act) -> None:
    assert (await act("say")).made == b"content"


# ------------------------------------------------------------------ how it may end


@pytest.mark.parametrize(
    ("order", "fault", "bounds"),
    [
        ("crash", "SIGSEGV", {}),
        ("eat", "MemoryError", {}),
        ("loop", "SIGXCPU", {"cpu_s": 1}),
        ("hang", "TooLate", {"deadline_s": 0.2}),
        ("fill", "OSError", {}),
        ("stutter", "Nonsense", {}),
        ("talk 1000000", "TooLate", {"deadline_s": 0.5}),
    ],
)
async def test_a_child_fails_alone(
    act: Act, order: str, fault: str, bounds: dict[str, float]
) -> None:
    assert (await act(order, **bounds)).fault == fault
    assert (await act("say")).made == b"content"


async def test_memory_is_bounded(act: Act) -> None:
    ended = await act("eat", memory_bytes=32 << 20)
    assert ended.exit.peak_bytes < 120 << 20


async def test_what_it_writes_is_bounded(act: Act, tmp_path: Path) -> None:
    await act("fill")
    assert (tmp_path / "much").stat().st_size == BOUNDS.file_bytes


async def test_children_run_side_by_side(act: Act) -> None:
    hanging = asyncio.ensure_future(act("hang", deadline_s=1))
    assert (await act("say")).made == b"content"
    assert not hanging.done()
    assert (await hanging).fault == "TooLate"


async def test_one_that_is_not_urgent_leaves_the_cpu_to_others(act: Act, tmp_path: Path) -> None:
    hanging = asyncio.ensure_future(act("hang", niceness=7))
    pid = await eventually(lambda: _pid_in(tmp_path))
    niceness = _niceness_of(pid)
    hanging.cancel()
    await asyncio.wait([hanging])
    assert niceness == os.nice(0) + 7


# ------------------------------------------------------------------ what it may not


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", str(ROOT / "README.md")])
async def test_nothing_is_read_outside_of_the_folder(act: Act, path: str) -> None:
    assert (await act(f"read {path}")).fault == "PermissionError"


async def test_nothing_is_written_outside_of_the_folder(
    act: Act, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("outside") / "written"
    assert (await act(f"write {path}")).fault == "PermissionError"
    assert not path.exists()


async def test_the_folder_is_written_to(act: Act, tmp_path: Path) -> None:
    assert (await act("write made")).fault is None
    assert (tmp_path / "made").read_bytes() == b"!"


async def test_no_connection_leaves_it(act: Act) -> None:
    hits: list[object] = []
    async with await asyncio.start_server(lambda *hit: hits.append(hit), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await act(f"connect {port}")).made == b"PermissionError"
    assert hits == []


@pytest.mark.parametrize("order", ["fork", "exec", "link /etc/passwd"])
async def test_it_starts_and_links_nothing(act: Act, order: str) -> None:
    assert (await act(order)).made == b"PermissionError"


async def test_it_ends_nobody(act: Act) -> None:
    assert (await act(f"kill {os.getpid()}")).made == b"PermissionError"


async def test_it_may_have_threads(act: Act) -> None:
    assert (await act("thread")).made == b"from a thread"


async def test_it_has_no_environment_and_no_open_files_of_the_worker(act: Act) -> None:
    environment, files = msgspec.json.decode((await act("look")).made)
    assert set(environment) <= {"LANG", "LC_CTYPE", "MALLOC_ARENA_MAX"}
    # The file, and where its answer goes.
    assert files == [3, 4]


# ------------------------------------------------------------------ when others end


async def test_who_no_longer_waits_has_no_child(act: Act, tmp_path: Path) -> None:
    hanging = asyncio.ensure_future(act("hang"))
    pid = await eventually(lambda: _pid_in(tmp_path))
    hanging.cancel()
    await asyncio.wait([hanging])
    assert not _is_alive(pid)


async def test_a_killed_worker_leaves_no_child(source: Path, tmp_path: Path) -> None:
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE, str(tmp_path), cwd=ROOT
    )
    pid = await eventually(lambda: _pid_in(tmp_path))
    forker = _parent_of(pid)
    worker.kill()
    await worker.wait()
    await eventually(lambda: not _is_alive(pid) and not _is_alive(forker))


async def test_a_killed_forker_leaves_no_child_and_is_replaced(
    act: Act, sandbox: Sandbox, tmp_path: Path
) -> None:
    hanging = asyncio.ensure_future(act("hang"))
    pid = await eventually(lambda: _pid_in(tmp_path))
    assert sandbox.pid is not None
    os.kill(sandbox.pid, signal.SIGKILL)
    with pytest.raises(SandboxFailed):
        await hanging
    await eventually(lambda: not _is_alive(pid))
    assert (await act("say")).made == b"content"


async def test_a_closed_sandbox_leaves_no_process(source: Path, tmp_path: Path) -> None:
    sandbox = Sandbox(MODULE)
    hanging = asyncio.ensure_future(sandbox.run(b"hang", source, tmp_path, BOUNDS))
    child, forker = await eventually(lambda: _pid_in(tmp_path)), sandbox.pid
    await sandbox.close()
    with pytest.raises(SandboxFailed):
        await hanging
    assert forker is not None
    assert not _is_alive(forker)
    await eventually(lambda: not _is_alive(child))


# ------------------------------------------------------------------ what it says


@pytest.mark.parametrize(
    "lies_with", ["link", "second name", "nothing", "empty file", "other name"]
)
async def test_what_a_child_says_is_not_believed(
    sandbox: Sandbox, source: Path, tmp_path: Path, lies_with: str
) -> None:
    _lay_out(tmp_path, source, lies_with)
    with pytest.raises(Unusable):
        await MediaRenderer(sandbox=sandbox).render(MediaKind.IMAGE, source, tmp_path)


def _lay_out(folder: Path, source: Path, lies_with: str) -> None:
    """Put what the child lies about into its folder."""
    made = folder / "preview.jpg"
    if lies_with == "link":
        made.symlink_to("/etc/passwd")
    elif lies_with == "second name":
        made.hardlink_to(source)
    elif lies_with == "empty file":
        made.touch()
    elif lies_with == "other name":
        source.write_bytes(b"elsewhere")
        (folder / "elsewhere.jpg").write_bytes(b"!")


def _pid_in(folder: Path) -> int:
    path = folder / "pid"
    return int(path.read_text() or 0) if path.exists() else 0


def _niceness_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[16])


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
