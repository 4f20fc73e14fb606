"""Many rows in one INSERT.

PostgreSQL takes all of them from arrays, in one statement. Citus would run such a statement at its
coordinator; it gets a statement with VALUES for each row, all in one round trip.
"""

from collections.abc import Mapping, Sequence

import asyncpg

from models.postgresql.database import Connection


class ManyRows:
    """An INSERT of rows that differ in some values and have others in common."""

    def __init__(self, insert: str, values: str, each: Mapping[str, str], then: str = "") -> None:
        """`values` names a value that differs as `{name}`, and `each` has the types of those, in
        the order in which rows give them. Values in common are parameters with a type, from the
        number on that follows theirs. `then` is what comes behind: ON CONFLICT, RETURNING.
        """
        arrays = ", ".join(f"${at}::{type_}[]" for at, type_ in enumerate(each.values(), 1))
        of_arrays = values.format_map({name: f"x.{name}" for name in each})
        alone = values.format_map({name: f"${at}" for at, name in enumerate(each, 1)})
        self._several = (
            f"{insert} SELECT {of_arrays} FROM unnest({arrays}) AS x ({', '.join(each)}) {then}"
        )
        self._one = f"{insert} VALUES ({alone}) {then}"

    async def write(
        self,
        connection: Connection,
        rows: Sequence[Sequence[object]],
        *in_common: object,
        is_distributed: bool,
        within_s: float | None = None,
    ) -> list[asyncpg.Record]:
        """Insert the rows in their order, and return what the statement returns of them. No two of
        them may have the same key.
        """
        if not rows:
            return []
        if is_distributed:
            return await connection.fetchmany(
                self._one, [(*row, *in_common) for row in rows], timeout=within_s
            )
        if len(rows) == 1:
            # The plan for arrays takes longer.
            return await connection.fetch(self._one, *rows[0], *in_common, timeout=within_s)
        arrays = [list(values) for values in zip(*rows, strict=True)]
        return await connection.fetch(self._several, *arrays, *in_common, timeout=within_s)
