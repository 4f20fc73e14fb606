"""Peers to be measured beside Parley."""
