"""Pages for people with a browser: the explorer, and unsubscribing."""
