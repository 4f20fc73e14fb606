"""HTTP/2 for the providers' clients: one connection, many requests."""
