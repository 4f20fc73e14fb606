"""A primary that dies, and a standby that takes its place."""
