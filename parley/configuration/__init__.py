"""The parts of settings: how variables are read, and which go together."""
