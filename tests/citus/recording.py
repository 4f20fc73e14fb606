"""Records the statements that the app runs, each with the arguments of one run, the longest.

It wraps asyncpg, through which all of them go.
"""

import pickle
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import asyncpg

CHECKOUT = Path(__file__).parents[2]
# Below these, code names its own statements; what a test itself asks is not the app's.
LAYERS = tuple(f"{CHECKOUT / name}/" for name in ("models", "workers", "subscriptions", "parley"))
PASSED_OVER = (
    "models/postgresql/database.py",
    "models/postgresql/lanes.py",
    "models/postgresql/many_rows.py",
    "models/push/states.py write_again",
)


@dataclass
class Statement:
    """`where` is the file and function that ran it; `args` those of one run."""

    query: str
    where: str
    args: tuple[Any, ...]
    count: int = 1


class Recording:
    """What was run while it was installed."""

    def __init__(self) -> None:
        self.statements: dict[str, Statement] = {}

    def note(self, query: str, args: Sequence[Any]) -> None:
        known = self.statements.get(query)
        if known is None:
            if where := _where():
                self.statements[query] = Statement(query, where, tuple(args))
            return
        known.count += 1
        if _size(args) > _size(known.args):
            known.args = tuple(args)

    def install(self) -> None:
        execute: Any = getattr(asyncpg.Connection, "_execute")  # noqa: B009
        execute_many: Any = getattr(asyncpg.Connection, "_executemany")  # noqa: B009

        async def noted(
            connection: Any, query: str, args: Sequence[Any], *more: Any, **options: Any
        ) -> Any:
            self.note(query, args)
            return await execute(connection, query, args, *more, **options)

        async def noted_many(
            connection: Any, query: str, args: Iterable[Sequence[Any]], *more: Any, **options: Any
        ) -> Any:
            rows = list(args)
            if rows:
                self.note(query, rows[0])
            return await execute_many(connection, query, rows, *more, **options)

        setattr(asyncpg.Connection, "_execute", noted)  # noqa: B010
        setattr(asyncpg.Connection, "_executemany", noted_many)  # noqa: B010

    def store(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        found = [vars(each) for each in self.statements.values()]
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(found))


def load(folder: Path) -> list[Statement]:
    """Return what all processes have recorded, each statement once."""
    statements: dict[str, Statement] = {}
    for path in sorted(folder.glob("*.pickle")):
        for found in (Statement(**each) for each in pickle.loads(path.read_bytes())):
            known = statements.setdefault(found.query, found)
            known.count += found.count if known is not found else 0
            if _size(found.args) > _size(known.args):
                known.args = found.args
    return list(statements.values())


def _where() -> str | None:
    """Return the file and function of ours that asked; None where a test did."""
    frame: FrameType | None = sys._getframe(3)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(LAYERS):
            where = f"{Path(path).relative_to(CHECKOUT)} {frame.f_code.co_name}"
            if not where.startswith(PASSED_OVER):
                return where
        elif path.startswith(f"{CHECKOUT / 'tests'}/"):
            return None
        frame = frame.f_back
    return None


def _size(args: Sequence[Any]) -> int:
    return sum(len(each) for each in args if isinstance(each, list))
