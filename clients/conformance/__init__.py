"""Says whether a client comes to the server's conversation: see docs/conformance.md."""
