"""Packages of npm for tests with real tools: installed once for each set of versions into the cache
folder of the user, so that nothing that was built or fetched is in the tree.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = Path.home() / ".cache" / "parley"
INSTALL = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent")
# What a folder of a client needs from outside of it.
SHARED = ("schema.graphql", "clients/recorded.json")
INSTALL_S = 600
BUILD_S = 300


class NotThere(Exception):
    """What an outside suite needs is not on this machine, and cannot be fetched."""


def require_node() -> None:
    """Check that Node and npm are there.

    Raises:
        NotThere: one of them is not.
    """
    for name in ("node", "npm"):
        if shutil.which(name) is None:
            raise NotThere(
                f"{name} is not installed, or not on the PATH. Install Node 20 or later."
            )


def installed(source: Path) -> Path:
    """Return a copy of the folder, with the packages that its package.json names.

    Raises:
        NotThere: they cannot be fetched.
    """
    described = (source / "package.json").read_bytes()
    name = f"{source.name}-{hashlib.sha256(described).hexdigest()[:12]}"
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    _copy(source, folder)
    stamp = folder / "node_modules" / ".installed"
    if not stamp.exists():
        done = subprocess.run(INSTALL, cwd=folder, check=False, timeout=INSTALL_S)
        if done.returncode:
            raise NotThere(f"npm could not fetch the packages of {source.relative_to(ROOT)}.")
        stamp.touch()
    return folder


def _copy(source: Path, folder: Path) -> None:
    """Replace what is in the folder by what is in the tree, but keep the packages."""
    for old in folder.iterdir():
        if old.name == "node_modules":
            continue
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    ignored = shutil.ignore_patterns("node_modules", "dist", "generated", "__generated__")
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=ignored)
    for shared in SHARED:
        shutil.copyfile(ROOT / shared, folder / Path(shared).name)


def versions(folder: Path, *names: str) -> str:
    """Return packages with their versions, as the folder's package.json pins them."""
    described = json.loads((folder / "package.json").read_text())
    pins = described.get("dependencies", {}) | described.get("devDependencies", {})
    return ", ".join(f"{name} {pins[name].rpartition('@')[2]}" for name in names)


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    within_s: float = BUILD_S,
) -> subprocess.CompletedProcess[str]:
    """Run a command of the folder's packages, and return what it said."""
    path = f"{folder / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {}), "PATH": path, "NO_COLOR": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=within_s,
    )
