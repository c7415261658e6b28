"""What instances reported of themselves: agents send it once and then every few minutes, never with a segment."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

MOST_INSTANCES = 100_000
MOST_CHARS = 255


class Facts(NamedTuple):
    """What an instance said of itself, "" where it did not."""

    zone: str = ""
    version: str = ""


class Instances:
    """The zone and version of every instance that reported its properties; the longest silent are forgotten first.
    Thread-safe."""

    def __init__(self, zones: Sequence[str], versions: Sequence[str], most: int = MOST_INSTANCES) -> None:
        self._zones, self._versions, self._most = tuple(zones), tuple(versions), most
        self._known: OrderedDict[tuple[str, str], Facts] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, service: str, instance: str, properties: Mapping[str, str]) -> None:
        """Keeps what is asked for of the properties of an instance."""
        key = service, instance
        with self._lock:
            self._known[key] = Facts(_first(properties, self._zones), _first(properties, self._versions))
            self._known.move_to_end(key)
            if len(self._known) > self._most:
                self._known.popitem(last=False)

    def keep(self, service: str, instance: str) -> None:
        """The instance was heard."""
        key = service, instance
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)

    def facts(self, service: str, instance: str) -> Facts:
        """What an instance said of itself."""
        with self._lock:
            return self._known.get((service, instance), Facts())


def _first(properties: Mapping[str, str], names: Sequence[str]) -> str:
    return next((properties[name][:MOST_CHARS] for name in names if properties.get(name)), "")
