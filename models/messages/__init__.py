"""Messages: what members said, how it fared, and how it is found again."""
