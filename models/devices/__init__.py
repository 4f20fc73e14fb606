"""Devices: signed-in installations of a user, their sessions, tokens and codes."""
