"""Folders that Parley writes to: what it takes, what it leaves alone, and which files it makes."""

import contextlib
import os
import stat
from pathlib import Path

import pytest

from parley.embedded.folder import Folder, write_whole
from parley.settings import SettingsError
from parley.work_folder import PREFIX, YOUNG_S, WorkFolder


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def take(path: Path) -> None:
    with contextlib.closing(Folder(path)):
        pass


def make(path: Path, mode: int) -> Path:
    path.mkdir()
    path.chmod(mode)
    return path


# ------------------------------------------------------------------ the data directory


def test_a_folder_that_is_made_is_for_us_only(tmp_path: Path) -> None:
    take(tmp_path / "new" / "parley")

    assert mode_of(tmp_path / "new" / "parley") == 0o700


def test_an_empty_folder_of_ours_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = make(tmp_path / "empty", 0o755)

    for _ in range(2):
        take(folder)

    assert mode_of(folder) == 0o755
    assert [(path.name, mode_of(path)) for path in folder.iterdir()] == [("lock", 0o600)]


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = make(tmp_path / "my data", mode)

    with pytest.raises(SettingsError, match=rf"mode is {mode:04o}.*run: chmod go-w '.*my data'"):
        take(folder)

    assert mode_of(folder) == mode
    assert not any(folder.iterdir())


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "home", 0o755)
    (folder / "letter.txt").write_text("dear")

    with pytest.raises(SettingsError, match="holds files that are not Parley's"):
        take(folder)

    assert mode_of(folder) == 0o755
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]


def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    folder = of_another_user(tmp_path)
    before = folder.stat()

    with pytest.raises(SettingsError, match="belongs to another user"):
        take(folder)

    assert (folder.stat().st_mode, folder.stat().st_uid) == (before.st_mode, before.st_uid)


def of_another_user(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        return Path("/usr")
    folder = make(tmp_path / "theirs", 0o755)
    os.chown(folder, 65534, 65534)
    return folder


# ------------------------------------------------------------------ files


def test_a_file_is_replaced_through_one_that_nobody_can_lay_out_before(tmp_path: Path) -> None:
    """The name of the file beside was known: a link there led the write elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    (tmp_path / ".services.json.new").symlink_to(elsewhere)
    services = tmp_path / "services.json"

    for text in ("one", "two"):
        write_whole(services, text)

    assert elsewhere.read_text() == "untouched"
    assert (services.read_text(), mode_of(services)) == ("two", 0o600)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".services.json.new",
        "elsewhere",
        "services.json",
    ]


def test_a_file_that_cannot_be_replaced_leaves_nothing_beside(tmp_path: Path) -> None:
    (tmp_path / "services.json").mkdir()

    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "services.json", "text")

    assert [path.name for path in tmp_path.iterdir()] == ["services.json"]


# ------------------------------------------------------------------ a worker's folder


def test_a_worker_s_folder_has_a_name_of_its_own_and_goes_with_it(tmp_path: Path) -> None:
    with (
        contextlib.closing(WorkFolder(tmp_path)) as one,
        contextlib.closing(WorkFolder(tmp_path)) as other,
    ):
        assert one.path != other.path
        assert mode_of(one.path) == 0o700
        (one.path / "part").touch()

    assert not any(tmp_path.iterdir())


def test_what_a_killed_worker_left_goes_and_what_a_worker_holds_stays(tmp_path: Path) -> None:
    left, young, others = (make(tmp_path / f"{PREFIX}{name}", 0o700) for name in "abc")
    target = make(tmp_path / "target", 0o700)
    link = tmp_path / f"{PREFIX}link"
    link.symlink_to(target)
    with contextlib.closing(WorkFolder(tmp_path)) as held:
        for folder in (left, held.path, others, target):
            (folder / "part").touch()
            age(folder)
        if os.geteuid() == 0:
            os.chown(others, 65534, 65534)

        with contextlib.closing(WorkFolder(tmp_path)):
            stays = [young, target, link, held.path] + [others] * (os.geteuid() == 0)
            assert all(path.exists() for path in stays)
            assert not left.exists()


def age(folder: Path) -> None:
    """As if nothing had happened in it for longer than a worker needs to hold it."""
    changed = folder.stat().st_mtime - YOUNG_S - 1
    os.utime(folder, (changed, changed))
