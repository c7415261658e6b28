"""Nacos's replies, read: whatever is not shaped as expected is an API that is not there, never a crash.

Seen of a real 2.2.4: v1 lists, v2 lists and the catalogue. The v3 shapes are those of the sources of Nacos 3
(`ServiceControllerV3`, `ServiceDetailInfo`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DEFAULT_GROUP = "DEFAULT_GROUP"
_MOST_METADATA = 32
_LONGEST = 200


class NotThere(Exception):
    """The server has no such API, or will not have us use it; the message says which in plain words."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A service as Nacos knows it."""

    namespace: str
    group: str
    name: str


@dataclass(frozen=True, slots=True)
class Host:
    """One instance as Nacos tells it."""

    ip: str
    port: int
    cluster: str = ""
    healthy: bool = True
    enabled: bool = True
    weight: float = 1.0
    metadata: Mapping[str, str] = field(default_factory=dict)


Listed = tuple[Key, tuple[Host, ...]]


def names(reply: Any) -> tuple[list[str], int]:
    """The services of one page of a v1 (`doms`) or v2 (`services`) list, and how many there are in all."""
    found = _mapping(_data(reply))
    listed = found.get("doms", found.get("services"))
    if not isinstance(listed, list):
        raise NotThere("its list of services is none")
    return [str(name) for name in listed], _number(found.get("count"), len(listed))


def hosts(reply: Any) -> tuple[Host, ...]:
    """The instances of a v1 or v2 list; none for a service that is unknown."""
    listed = _mapping(_data(reply)).get("hosts")
    if not isinstance(listed, list):
        raise NotThere("its list of instances is none")
    return tuple(_hosts(listed, ""))


def catalogue(reply: Any, namespace: str) -> list[Listed]:
    """The services of one page of the catalogue with all their instances: a bare list (v1), or a page (v3)."""
    page = _data(reply)
    items = page.get("pageItems") if isinstance(page, Mapping) else page
    if not isinstance(items, list):
        raise NotThere("its catalogue is none")
    return [_detailed(_mapping(item), namespace) for item in items]


def token(reply: Any) -> tuple[str, float]:
    """The token of a login and for how many seconds it holds; v3 puts them under `data`."""
    found = _mapping(_data(reply))
    text = found.get("accessToken")
    if not isinstance(text, str) or not text:
        raise NotThere("the answer to the login holds no token")
    return text, float(_number(found.get("tokenTtl"), 18000))


def _data(reply: Any) -> Any:
    """What an envelope of v2 and v3 holds (`code` 0 is success); any other reply is itself."""
    if not isinstance(reply, Mapping) or "code" not in reply or "data" not in reply:
        return reply
    if reply["code"] not in (0, 200):
        raise NotThere(f"it says code {reply['code']}")
    return reply["data"]


def _detailed(item: Mapping[str, Any], namespace: str) -> Listed:
    name, group = item.get("serviceName", item.get("name")), item.get("groupName") or DEFAULT_GROUP
    clusters = item.get("clusterMap")
    if not isinstance(name, str) or not isinstance(clusters, Mapping):
        raise NotThere("its catalogue comes without instances")
    found = [host for cluster, told in clusters.items() for host in _hosts(_mapping(told).get("hosts"), str(cluster))]
    return Key(namespace, str(group), name), tuple(found)


def _hosts(listed: Any, cluster: str) -> Iterator[Host]:
    """A host of the catalogue of 1.x and 2.x says `valid` for healthy and leaves its cluster to the list around it."""
    for raw in listed if isinstance(listed, Sequence) else ():
        if isinstance(raw, Mapping) and isinstance(raw.get("ip"), str):
            yield Host(
                raw["ip"], _port(raw.get("port")), str(raw.get("clusterName") or cluster),
                bool(raw.get("healthy", raw.get("valid", True))), bool(raw.get("enabled", True)),
                float(_number(raw.get("weight"), 1)), _metadata(raw.get("metadata")),
            )  # fmt: skip


def _metadata(raw: Any) -> dict[str, str]:
    if not isinstance(raw, Mapping):
        return {}
    texts = [(str(key), str(value)) for key, value in raw.items() if value is not None]
    return dict([(key, value) for key, value in texts if len(key) + len(value) <= _LONGEST][:_MOST_METADATA])


def _mapping(raw: Any) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise NotThere("it answers with something else")
    return raw


def _port(raw: Any) -> int:
    return raw if isinstance(raw, int) and 0 <= raw <= 65535 else 0


def _number(raw: Any, otherwise: float) -> Any:
    return raw if isinstance(raw, int | float) and not isinstance(raw, bool) else otherwise
