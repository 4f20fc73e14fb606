"""What operators do, done under load: deploys, failovers, restores and repairs."""
