"""Group commit: many callers' items, written together by one call, with the rows that others hold
kept apart.
"""
