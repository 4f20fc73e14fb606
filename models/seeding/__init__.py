"""Seeding: a world of users, chats and history in bulk, for development and measuring."""
