"""What happens later, or once more: dispatch, relay, push, media, sweep. No GraphQL."""
