"""Builds Citus against the PostgreSQL that the wheel brings, once, into a folder of the cache."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from parley.embedded.postgresql import wheel_installation

SOURCE = "CITUS_SOURCE"
PROGRAMS = ("gcc", "make")
HEADERS = ("readline/readline.h",)
PACKAGES = "apt-get install gcc make libreadline-dev"
# A newer compiler than Debian's made the wheel; older ones stop at this flag.
UNKNOWN_FLAG = "-Wmissing-variable-declarations"


class CitusMissing(Exception):
    """One sentence: what is not there, and how to get it."""


def build() -> Path:
    """Return the folder of a PostgreSQL that has Citus, building it where that was not yet done.

    Raises:
        CitusMissing: the source, a compiler or a header is not there, or the build failed.
    """
    source, wheel = _find_source(), wheel_installation()
    digest = hashlib.sha256(source.read_bytes())
    digest.update((wheel / "include/postgresql/server/pg_config.h").read_bytes())
    folder = _cache() / f"citus-{digest.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built").exists():
            _require_tools()
            _build_in(folder, source, wheel)
            (folder / "built").touch()
    return _installation(folder, wheel)


def _build_in(folder: Path, source: Path, wheel: Path) -> None:
    installation = _installation(folder, wheel)
    for left in (installation, folder / "source", folder / _libraries(wheel).name):
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(wheel, installation)
    # Where the wheel's programs look for their libraries.
    shutil.copytree(_libraries(wheel), folder / _libraries(wheel).name)
    make_rules = installation / "lib/postgresql/pgxs/src/Makefile.global"
    make_rules.write_text(make_rules.read_text().replace(UNKNOWN_FLAG, ""))
    _compile(source, folder, installation)


def _installation(folder: Path, wheel: Path) -> Path:
    return folder / "wheel" / wheel.name


def _find_source() -> Path:
    named = os.environ.get(SOURCE, "")
    source = Path(named).expanduser()
    if not named or not source.is_file():
        raise CitusMissing(
            f"{SOURCE} must name the source of Citus 14 as a tar file, and "
            f"{f'{named} is none' if named else 'it is not set'}. The tests on Citus do not run."
        )
    return source


def _require_tools() -> None:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    missing += [name for name in HEADERS if not Path("/usr/include", name).exists()]
    if missing:
        raise CitusMissing(
            f"Building Citus needs {', '.join(missing)}; on Debian: {PACKAGES}. "
            "The tests on Citus do not run."
        )


def _cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "parley"


def _libraries(wheel: Path) -> Path:
    return wheel.parents[1] / f"{wheel.parent.name}.libs"


def _compile(source: Path, folder: Path, installation: Path) -> None:
    code = folder / "source"
    with tarfile.open(source) as tar:
        tar.extractall(code, filter="data")
    (top,) = code.iterdir()
    log = folder / "build.log"
    commands = (
        # Compression is for columnar tables, of which Parley has none.
        f"./configure --without-libcurl --without-lz4 --without-zstd "
        f"PG_CONFIG='{installation}/bin/pg_config'",
        f"make -j{os.cpu_count() or 1} all",
        "make install",
    )
    with log.open("w") as output:
        for command in commands:
            done = subprocess.run(
                command, shell=True, cwd=top, stdout=output, stderr=output, check=False
            )
            if done.returncode != 0:
                raise CitusMissing(f"Citus could not be built; {log} says why.")
    shutil.rmtree(code)
