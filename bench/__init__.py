"""Measures Parley beside a naive peer: `python -m bench`. What was measured is in docs/speed.md."""
