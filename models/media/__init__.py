"""Media: files that people send, from the upload to the end of the last that holds them."""
