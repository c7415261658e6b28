"""Log lines for people: the newest that were told, the patterns they follow, and searches over all sources."""
