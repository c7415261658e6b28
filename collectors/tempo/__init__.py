"""Traces that a Grafana Tempo keeps, asked for minute by minute."""
