"""Files of the log that nothing needs any more: kept for a while, because their room on disk has been written before.

Writing into it again costs a third less than into a new file (docs/adr/0006-journal.md), and what one burst needed the
next one will need. But the requests in it must not lie about, so it does not wait for long.
"""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path

KEPT_S = 600.0


class SpareFiles:
    """The spare files of a directory, all of one size. Thread-safe. Times are epoch seconds."""

    def __init__(self, directory: Path, size: int) -> None:
        self._directory, self._size = directory, size
        self._lock = threading.Lock()
        self._waiting: deque[tuple[float, Path]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def find(self, most: int) -> None:
        """Takes in what an earlier life left behind, the newest; deletes what is too much or of another size."""
        found = sorted((path.stat().st_mtime, path) for path in self._directory.glob("*.spare"))
        fitting = [one for one in found if one[1].stat().st_size == self._size]
        self._waiting.extend(fitting[max(0, len(fitting) - most) :])
        for one in found:
            if one not in self._waiting:
                one[1].unlink()

    def put(self, path: Path, now_s: float) -> None:
        """Keeps a file, which loses its name; one of another size is deleted."""
        if path.stat().st_size != self._size:
            path.unlink()
            return
        spare = path.with_suffix(".spare")
        path.replace(spare)
        with self._lock:
            self._waiting.append((now_s, spare))

    def take(self, path: Path) -> bool:
        """Whether there was one, which is now at `path`: the one that was needed last."""
        with self._lock:
            if not self._waiting:
                return False
            self._waiting.pop()[1].replace(path)
            return True

    def delete_old(self, now_s: float) -> None:
        """Deletes what has waited for too long."""
        with self._lock:
            while self._waiting and self._waiting[0][0] < now_s - KEPT_S:
                self._waiting.popleft()[1].unlink()
