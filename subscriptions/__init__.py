"""What clients follow: broker, registry, hub, feeds, and the Subscription fields."""
