"""The load generator: a process of its own that asks one server for one work."""
