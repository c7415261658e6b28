"""Traces that a Jaeger keeps, asked for minute by minute."""
