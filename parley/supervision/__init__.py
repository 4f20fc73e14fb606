"""Supervision: children of this process that are started, asked, started again and stopped."""
