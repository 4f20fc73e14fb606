"""Tools from PyPI: gql from Parley's own lock; sgqlc, ariadne-codegen and Autobahn's cases in an
environment of their own, since they need other versions of what Parley needs.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

from parley.ports import LOOPBACK, free_port
from parley.supervision.probes import http_status
from tests.suites.node import CACHE, ROOT, NotThere, run
from tests.suites.outcome import Outcome, last_lines, of_node_tests
from tests.suites.server import Addresses
from tests.waiting import wait_until

LOCK = ROOT / "requirements" / "suites.txt"
# Compression (12, 13) is off, and messages of Parley end at 64 KiB, far below those of 9.
CASES = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*")
# After a message that is not whole and a close, it answers 1002, where the case expects 1000.
KNOWN = ("7.1.5",)


def installed() -> Path:
    """Return the folder of an environment with what the lock names.

    Raises:
        NotThere: it cannot be fetched.
    """
    folder = CACHE / f"suites-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if (folder / ".installed").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "pip"), "--disable-pip-version-check", "install", "-qq"]
    locked = ["--no-deps", "--require-hashes", "-r", str(LOCK)]
    if subprocess.run([*pip, *locked], check=False).returncode:
        raise NotThere(f"pip could not fetch what {LOCK.relative_to(ROOT)} names.")
    (folder / ".installed").touch()
    return folder


def version_of(name: str) -> str:
    lines = [*LOCK.read_text().splitlines(), *(LOCK.parent / "dev.txt").read_text().splitlines()]
    pinned = next(line.split()[0] for line in lines if line.startswith(f"{name}=="))
    return pinned.replace("==", " ")


def python_clients(server: Addresses) -> list[Outcome]:
    folder = installed()
    environment = {**server.environment(), "PYTHONPATH": str(ROOT)}
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    shutil.copyfile(ROOT / "schema.graphql", work / "schema.graphql")
    shutil.copytree(ROOT / "clients" / "typescript" / "documents", work / "documents")
    return [
        of_node_tests(
            name,
            version_of(name),
            run([str(python), "-m", f"tests.suites.tools.{script}"], work, environment),
        )
        for name, script, python in (
            ("gql", "gql_client", sys.executable),
            ("sgqlc", "sgqlc_client", folder / "bin" / "python"),
            ("ariadne-codegen", "ariadne_client", folder / "bin" / "python"),
        )
    ]


def autobahn() -> Outcome:
    """Run Autobahn's cases against the websocket protocol that Parley serves with."""
    folder, port = installed(), free_port()
    reports = folder / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    echo = subprocess.Popen(
        [sys.executable, "-m", "tests.suites.echo", str(port)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: http_status(port, "/") is not None)
        chosen = [word for case in CASES for word in ("-i", case)]
        command = [str(folder / "bin" / "kosoku"), "-o", str(reports), *chosen]
        done = run([*command, f"{LOOPBACK}:{port}"], folder)
    finally:
        echo.terminate()
        echo.wait()
    return _of_reports(reports, done)


def _of_reports(reports: Path, done: subprocess.CompletedProcess[str]) -> Outcome:
    tool = version_of("kosoku")
    index = reports / "index.json"
    if not index.exists():
        return Outcome("Autobahn", tool, 0, 1, last_lines(done))
    (cases,) = json.loads(index.read_text()).values()
    fine = {"OK", "NON-STRICT", "INFORMATIONAL"}
    failed = [
        name
        for name, case in cases.items()
        if not {case["behavior"], case["behaviorClose"]} <= fine
    ]
    known = tuple(name for name in failed if name in KNOWN)
    return Outcome("Autobahn", tool, len(cases) - len(failed), len(cases), last_lines(done), known)
