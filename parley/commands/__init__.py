"""What `python -m parley` can be asked to do, a module a command, each with `run(settings,
arguments)`.
"""
