"""An append-only log of requests: what was acknowledged survives the process. The decision is in `docs/adr/0006`."""

from topology.journal.log import Journal
from topology.journal.records import HEADER, Record, checksum

__all__ = ["HEADER", "Journal", "Record", "checksum"]
