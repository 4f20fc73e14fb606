"""Channels: chats and groups as their members see them, blocks, mutes and typing."""
