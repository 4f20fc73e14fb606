"""Presence: who is online, by leases in Valkey, and who follows it."""
