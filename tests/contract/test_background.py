"""Whatever runs beside requests does so by `models/background.py`, which goes on after errors."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("models", "schema", "resolvers", "subscriptions", "workers", "parley")
BEGINS = {"create_task", "ensure_future", "TaskGroup", "run_coroutine_threadsafe"}

# Files that begin tasks by themselves. Each of these ends by itself, and somebody waits for it, so
# an error reaches whoever is concerned.
ENDING = {
    "models/background.py": "the primitive",
    "models/postgresql/hosts.py": "connecting to one of several hosts, which the caller waits for",
    "models/postgresql/lending.py": "giving a connection back, which ends by its deadline",
    "models/postgresql/readiness.py": "a question to PostgreSQL that requests share",
    "models/devices/sessions.py": "a reading that requests share",
    "models/media/uploads.py": "the completion of an upload, which requests wait for",
    "parley/app.py": "the start of the app, which ends it if it fails",
    "parley/worker/process.py": "waiting for PostgreSQL, or for the order to stop",
    "subscriptions/nodes/broker.py": "reading a topic, which the broker's loop waits for",
    "workers/jobs/runner.py": "a job, which ends by its deadline",
    "workers/push/providers/public_network.py": "connecting to a push service",
    "workers/push/providers/google_tokens.py": "asking Google for a token, which jobs wait for",
    "workers/push/gathering.py": "a round of questions, which jobs wait for",
    "parley/transport/": "a request, or an operation of a connection",
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def begun_in(tree: ast.AST) -> list[ast.Call]:
    """Calls that begin a task."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _last_name(node.func) in BEGINS
    ]


def loops_begun_in(tree: ast.Module) -> list[str]:
    """Functions of the file that are begun as tasks and never return by themselves."""
    functions = {
        node.name: node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)
    }
    named = {
        _last_name(argument.func)
        for call in begun_in(tree)
        for argument in call.args
        if isinstance(argument, ast.Call)
    }
    return [name for name in named & functions.keys() if _never_returns(functions[name])]


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _never_returns(function: ast.AsyncFunctionDef) -> bool:
    """Has a loop without an end, and nothing that leaves it but an error."""
    return any(
        isinstance(loop, ast.While)
        and isinstance(loop.test, ast.Constant)
        and not any(isinstance(inner, ast.Return | ast.Break) for inner in ast.walk(loop))
        for loop in ast.walk(function)
    )


def is_named(path: str) -> bool:
    return any(path == name or (name[-1] == "/" and path.startswith(name)) for name in ENDING)


def test_only_named_files_begin_tasks_by_themselves() -> None:
    found = {path for path, tree in sources() if begun_in(tree)}

    assert {path for path in found if not is_named(path)} == set()
    for name in ENDING:
        assert any(path.startswith(name) for path in found), f"{name} begins none: do not name it"


def test_no_loop_is_begun_as_a_bare_task() -> None:
    found = {path: loops_begun_in(tree) for path, tree in sources()}

    del found["models/background.py"]
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("begins", ["asyncio.create_task", "asyncio.ensure_future", "create_task"])
def test_a_bare_loop_would_be_found(begins: str) -> None:
    tree = ast.parse(
        f"""
class Part:
    def start(self):
        self.task = {begins}(self._run())

    async def _run(self):
        while True:
            await self.work()
"""
    )

    assert len(begun_in(tree)) == 1
    assert loops_begun_in(tree) == ["_run"]
