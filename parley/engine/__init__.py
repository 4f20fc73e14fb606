"""The GraphQL engine: documents read once, limits first, plans, then graphql-core."""
