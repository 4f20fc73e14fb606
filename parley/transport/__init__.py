"""How GraphQL reaches the engine: over HTTP, as server-sent events, and over websockets."""
