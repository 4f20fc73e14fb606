"""The revisions of the database, run by Alembic: see `env.py`, and `scripts.py` for their SQL."""
