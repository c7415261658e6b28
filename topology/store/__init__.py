"""The durable store: one contract, one store in memory, one on disk (DuckDB)."""
