"""Media: files that people send, from the upload until nothing holds them any more."""
