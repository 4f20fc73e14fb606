"""Media jobs: they render uploaded files, and delete those that nobody needs any more."""
