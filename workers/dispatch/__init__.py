"""Dispatch: what is committed is told to the nodes that hold its recipients, once or once more."""
