"""Streams of an inbox: their names, what was acknowledged by them, and their cursors."""
