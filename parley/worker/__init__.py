"""The worker process: what it runs, and what it says of itself."""
