"""What every receiver needs: bytes in flight, counters, refusals, certificates."""
