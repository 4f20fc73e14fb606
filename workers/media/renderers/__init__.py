"""The renderers: what runs in the sandbox's child, one for each kind of file."""
