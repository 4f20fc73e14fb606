"""Nodes: what processes tell one another through Valkey, and which of them hold whom."""
