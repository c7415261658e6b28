"""The catalogue: what a house calls its services, where they belong, and what it does not want to see."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml

from app.reading import Reader, parse
from collectors.config import Matching, ReadableFile
from topology.errors import ConfigurationError, Fault
from topology.model import Kind, Service

KindName = Annotated[str, Matching("|".join(Kind), "one of " + ", ".join(Kind))]
Link = Annotated[str, Matching(r"https?://\S+", "a link that begins with http:// or https://")]
ServiceClass = Literal["critical", "high", "low", "none"]
_CACHED = 100_000


@dataclass(frozen=True, slots=True)
class Title:
    """A name in both languages; a single text stands for both."""

    EXPECTED: ClassVar[str] = "a text, or a mapping with en and zh"
    en: str
    zh: str = ""

    @classmethod
    def from_text(cls, text: str) -> Title:
        """The same words in both languages."""
        return cls(text, text)


_OURS = {
    (Kind.USER, "user"): Title("user", "用户"), (Kind.UNKNOWN, "unknown"): Title("unknown", "未知"),
    (Kind.UNKNOWN, "other"): Title("other", "其他"),
}  # fmt: skip
"""What the product itself calls those whom no span names."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Which services are meant: by exact name or pattern (`*`, `?`), kind, namespace, resource attribute."""

    EXPECTED: ClassVar[str] = "a name, or a mapping with match, kind, namespace, attribute"
    match: str = "*"
    kind: KindName | None = None
    namespace: str | None = None
    attribute: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_text(cls, text: str) -> Selector:
        """Whatever has this name."""
        return cls(text)


@dataclass(frozen=True, slots=True)
class Group:
    """A domain: `lead` makes it a block of full height at the left, for those who call all others."""

    id: str
    title: Title | None = None
    lead: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer, from the caller's side to the stores in the order of the list."""

    id: str
    title: Title | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said about the services meant; what is left out is said by a later entry, or by nobody."""

    match: str = "*"
    kind: KindName | None = None
    namespace: str | None = None
    attribute: Mapping[str, str] = field(default_factory=dict)
    title: Title | None = None
    domain: str | None = None
    layer: str | None = None
    zone: str | None = None
    owner: str | None = None
    runbook: Link | None = None
    class_: ServiceClass | None = None


@dataclass(frozen=True, slots=True)
class User:
    """Who calls an entry service from outside: drawn as a person of this name instead of plain `user`."""

    match: str
    name: str
    title: Title | None = None
    domain: str = "users"
    layer: str = "user"


@dataclass(frozen=True, slots=True)
class Merge:
    """Services that are shown as one, named `into`, in the namespace `into_namespace` or else in their own."""

    match: str
    into: str
    into_namespace: str | None = None
    kind: KindName | None = None
    namespace: str | None = None
    attribute: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entries:
    """The catalogue as it is written, in this configuration or in a `file` of its own."""

    file: ReadableFile | None = None
    groups: tuple[Group, ...] = ()
    layers: tuple[Layer, ...] = ()
    users: tuple[User, ...] = ()
    services: tuple[Entry, ...] = ()
    hide: tuple[Selector, ...] = ()
    merge: tuple[Merge, ...] = ()

    def check(self) -> Iterator[tuple[str, str, str]]:
        """Names that are given twice, and a layer or domain that is not in its list."""
        here = (self.groups, self.layers, self.users, self.services, self.hide, self.merge)
        if self.file and any(here):
            yield "file", "the only key of the catalogue", "other keys beside it"
        for word, known in (("groups", [g.id for g in self.groups]), ("layers", [layer.id for layer in self.layers])):
            for twice in sorted({name for name in known if known.count(name) > 1}):
                yield word, "every id once", f"{twice!r} twice"
        for number, entry in enumerate(self.services):
            if self.layers and entry.layer and entry.layer not in {layer.id for layer in self.layers}:
                yield f"services[{number}].layer", "the id of one of the layers", repr(entry.layer)
            if self.groups and entry.domain and entry.domain not in {group.id for group in self.groups}:
                yield f"services[{number}].domain", "the id of one of the groups", repr(entry.domain)


@dataclass(frozen=True, slots=True)
class Description:
    """How a service is presented. `domain` is the namespace when the catalogue says nothing; None is not known."""

    title_en: str
    title_zh: str
    domain: str
    layer: str | None = None
    zone: str | None = None
    owner: str | None = None
    runbook: str | None = None
    class_: str | None = None


@dataclass(frozen=True)
class Catalogue:
    """Answers about services, from entries. An exact name goes before a pattern, then the order of the list counts."""

    entries: Entries = Entries()
    _described: dict[tuple[Service, frozenset[tuple[str, str]]], Description] = field(default_factory=dict, repr=False)

    def describe(self, service: Service, attributes: Mapping[str, str] | None = None) -> Description:
        """How a service is presented; quick when asked again. `attributes` are those of its resource."""
        key = (service, frozenset((attributes or {}).items()))
        found = self._described.get(key)
        if found is None:
            if len(self._described) >= _CACHED:
                self._described.clear()
            found = self._described[key] = self._description(service, attributes or {})
        return found

    def hidden(self, service: Service, attributes: Mapping[str, str] | None = None) -> bool:
        """Whether the house does not want to see this service."""
        return any(_meant(selector, service, attributes or {}) for selector in self.entries.hide)

    def merged(self, service: Service, attributes: Mapping[str, str] | None = None) -> Service:
        """The service under which this one is shown: itself, unless the catalogue merges it into another."""
        for merge in _exact_first(self.entries.merge):
            if _meant(merge, service, attributes or {}):
                namespace = service.namespace if merge.into_namespace is None else merge.into_namespace
                return Service(service.environment, namespace, merge.into, service.kind)
        return service

    def user_for(self, entry: Service) -> Service | None:
        """Who calls this entry service from outside, when the catalogue gives the caller a name."""
        for user in _exact_first(self.entries.users):
            if _matches(user.match, entry.name):
                return Service(entry.environment, "", user.name, Kind.USER)
        return None

    def _description(self, service: Service, attributes: Mapping[str, str]) -> Description:
        said: dict[str, Any] = {}
        for entry in self._about(service, attributes):
            for word in ("title", "domain", "layer", "zone", "owner", "runbook", "class_"):
                if said.get(word) is None:
                    said[word] = getattr(entry, word, None)
        title = said.pop("title", None) or _OURS.get((service.kind, service.name)) or Title.from_text(service.label)
        said["domain"] = said.get("domain") or service.namespace
        return Description(title_en=title.en, title_zh=title.zh or title.en, **said)

    def _about(self, service: Service, attributes: Mapping[str, str]) -> Iterator[Entry | User]:
        for entry in _exact_first(self.entries.services):
            if _meant(entry, service, attributes):
                yield entry
        if service.kind is Kind.USER:
            yield from (user for user in self.entries.users if user.name == service.name)


class CatalogueFile:
    """Keeps a catalogue in step with the file it is written in; a file at fault changes nothing. `read` gives the
    catalogue of a file or raises ConfigurationError."""

    def __init__(self, path: Path, catalogue: Catalogue, read: Callable[[Path], Catalogue] | None = None) -> None:
        self.path = path
        self.catalogue = catalogue
        self.faults: tuple[Fault, ...] = ()
        self._read = read or load
        # nothing yet: the file may have changed since `catalogue` was read
        self._seen: tuple[int, int, int] | None = (0, 0, 0)

    def refresh(self) -> bool:
        """Looks at the file; True when another catalogue took the place of the old one. `faults` says why not."""
        stamp = _stamp(self.path)
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            catalogue = self._read(self.path)
        except ConfigurationError as error:
            self.faults = error.faults
            return False
        self.faults = ()
        fresh = catalogue.entries != self.catalogue.entries
        self.catalogue = catalogue if fresh else self.catalogue
        return fresh


def load(path: Path) -> Catalogue:
    """The catalogue in the section `catalogue` of a file; raises ConfigurationError with every fault."""
    try:
        document = parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as failure:
        fault = Fault(str(path), "a readable YAML file", " ".join(str(failure).split()))
        raise ConfigurationError((fault,)) from failure
    reader = Reader(path.parent)
    section = document.get("catalogue", {}) if isinstance(document, Mapping) else document
    entries = reader.record(Entries, section, "catalogue")
    if reader.faults or entries is None:
        raise ConfigurationError(tuple(reader.faults))
    return Catalogue(entries)


def _exact_first(entries: Sequence[Any]) -> list[Any]:
    return sorted(entries, key=lambda entry: bool(set("*?[") & set(entry.match)))


def _meant(entry: Selector | Entry | Merge, service: Service, attributes: Mapping[str, str]) -> bool:
    return (
        (_matches(entry.match, service.name) or _matches(entry.match, service.label))
        and entry.kind in (None, service.kind)
        and (entry.namespace is None or _matches(entry.namespace, service.namespace))
        and all(_matches(pattern, attributes.get(name, "")) for name, pattern in entry.attribute.items())
    )


def _matches(pattern: str, text: str) -> bool:
    # not fnmatch.fnmatch: it ignores upper and lower case on some systems
    return pattern == text or re.match(translate(pattern), text) is not None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
