"""The runner of jobs: takes what is due, runs it within bounds, and writes what came of it."""
