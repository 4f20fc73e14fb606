"""Limits and budgets: what one may use, and how much of it is left."""
