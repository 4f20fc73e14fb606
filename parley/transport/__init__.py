"""Transport: GraphQL over HTTP, as server-sent events, and over websockets."""
