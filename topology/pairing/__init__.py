"""Spans to calls, across batches and out of order: the heart of the map. The rules are in `docs/pairing.md`."""

from topology.pairing.naming import Bounds, FailureRules
from topology.pairing.pairing import Pairing

__all__ = ["Bounds", "FailureRules", "Pairing"]
