"""Times as answers give them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=1 << 14)
def rfc3339(epoch_s: float) -> str:
    """UTC with milliseconds, as every answer writes times."""
    return datetime.fromtimestamp(round(epoch_s, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
