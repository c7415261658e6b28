"""Links to other tools: addresses of the house with places that are filled with what is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from app.engine.moments import rfc3339
from collectors.config import Matching, Name
from topology.model import Service

PLACE = re.compile(r"\{([a-z_]+)\}")
PLACES = ("service", "namespace", "environment", "instance", "trace_id", "span_id", "from", "to", "from_ms", "to_ms")
AROUND_S = 300.0
"""How far before and after a line a link looks."""
Template = Annotated[str, Matching(
    r"https?://[^\s{}]+(\{[a-z_]+\}[^\s{}]*)*", "an address such as https://kibana.example/app/logs?trace={trace_id}"
)]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Link:
    """A link with a name, shown wherever everything is known that its places need."""

    name: Name
    url: Template

    def check(self) -> Iterator[tuple[str, str, str]]:
        """Places that can be filled."""
        for place in self.places:
            if place not in PLACES:
                yield "url", f"some of the places {', '.join(PLACES)}", f"{{{place}}}"

    @property
    def places(self) -> list[str]:
        """The names in braces."""
        return PLACE.findall(self.url)

    def filled(self, known: Mapping[str, str]) -> str:
        """The address with every place filled, percent-encoded; "" when something is not known."""
        if not all(known.get(place) for place in self.places):
            return ""
        return PLACE.sub(lambda found: quote(known[found[1]], safe=""), self.url)


def filled(links: Sequence[Link], known: Mapping[str, str]) -> list[dict[str, str]]:
    """Name and address of every link for which enough is known."""
    return [{"name": link.name, "url": url} for link in links if (url := link.filled(known))]


def of_service(service_id: str, from_s: float, to_s: float) -> dict[str, str]:
    """What is known where a service is looked at in a time."""
    service = Service.from_id(service_id)
    return {
        "service": service.name, "namespace": service.namespace, "environment": service.environment,
        "from": rfc3339(from_s), "to": rfc3339(to_s),
        "from_ms": str(int(from_s * 1000)), "to_ms": str(int(to_s * 1000)),
    }  # fmt: skip


def of_line(line: Mapping[str, str | None], time_s: float) -> dict[str, str]:
    """What is known where a log line is looked at."""
    own = {key: line.get(key) or "" for key in ("instance", "trace_id", "span_id")}
    return {**of_service(line["service"] or "", time_s - AROUND_S, time_s + AROUND_S), **own}
