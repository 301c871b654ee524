"""Why the answer is what it is, and what would change it."""
