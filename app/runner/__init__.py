"""Sources that are asked: when, for which minutes, and what becomes of the answers."""
