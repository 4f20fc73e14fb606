"""The log: how entries are written, committed together, and told of."""
