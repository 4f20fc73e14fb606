"""Jobs: what a worker does later, as rows of a queue."""
