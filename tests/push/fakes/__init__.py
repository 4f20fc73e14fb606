"""Providers on loopback that check what the real ones check, and misbehave when told to."""
