"""What happens later, or once more: dispatch, relay, indexing, sweep. No GraphQL."""
