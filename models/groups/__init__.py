"""Groups: up to 100 people under a name, who is in them, and the links that lead in."""
