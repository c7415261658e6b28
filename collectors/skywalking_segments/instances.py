"""What instances reported of themselves: agents send it once and then every few minutes, never with a segment."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from topology.errors import MalformedInput

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
        self.changed = False
        """Whether something was learnt since `content` was last asked for."""

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, service: str, instance: str, properties: Mapping[str, str]) -> None:
        """Keeps what is asked for of the properties of an instance."""
        key = service, instance
        told = Facts(_first(properties, self._zones), _first(properties, self._versions))
        with self._lock:
            self.changed |= self._known.get(key) != told
            self._known[key] = told
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

    def content(self) -> bytes:
        """Everything that is remembered, for `restore`."""
        with self._lock:
            self.changed = False
            rows = [(*key, *facts) for key, facts in self._known.items()]
        return orjson.dumps(rows)

    def restore(self, content: bytes) -> None:
        """Remembers what was remembered in another life; MalformedInput for what is no such content."""
        try:
            rows = [[str(text) for text in row] for row in orjson.loads(content)]
            known = {(service, instance): Facts(zone, version) for service, instance, zone, version in rows}
        except (ValueError, TypeError) as error:
            raise MalformedInput("these are no instances") from error
        with self._lock:
            self._known.update(known)


def _first(properties: Mapping[str, str], names: Sequence[str]) -> str:
    return next((properties[name][:MOST_CHARS] for name in names if properties.get(name)), "")
