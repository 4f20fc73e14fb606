"""Users: people with an account, their numbers, privacy and presence."""
