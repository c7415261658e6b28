"""Which node a service of a source is, and what a source may know a node by."""

from __future__ import annotations

import threading

from app.engine.parts import Parts
from topology.members import Members
from topology.model import Service


class Naming:
    """The part of the engine that tells names; whose they are is the engine's to know."""

    lock: threading.RLock
    members: Members
    parts: Parts

    def drawn_as(self, service: Service) -> Service:
        """The node of a service as some source knows it; itself where the house hides it."""
        with self.lock:
            return self.members.display(service) or service

    def title_of(self, service: Service) -> dict[str, str]:
        """What a service is called, by language."""
        return self.parts.house.title(service)

    def known_as(self, node_id: str) -> list[Service]:
        """What sources may know a node by, itself first; ValueError for what is no id of a node."""
        node = Service.from_id(node_id)
        with self.lock:
            return self.members.known_as(node)
