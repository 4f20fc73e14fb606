"""The supervisor: start child processes, ask whether they answer, restart and stop them.

It knows no embedded server: production's `serve` uses it with API processes alone.
"""
