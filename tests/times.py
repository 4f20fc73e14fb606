"""Times that tests move in the database, in SQL that runs on Citus, too."""


def earlier(column: str, by: str) -> str:
    """Return the expression of a time that is `by` (an interval in SQL) before that of a column.

    In UTC it depends on no setting of the session, which Citus asks for.
    """
    return f"({column} AT TIME ZONE 'UTC' - {by}) AT TIME ZONE 'UTC'"
