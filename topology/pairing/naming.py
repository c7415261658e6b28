"""Gives numbers to names the first time they are seen, within bounds, and remembers what the numbers mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from topology.interning import Interner
from topology.lookup import Lookup
from topology.machine import JIT, compiled
from topology.model import EdgeKey, InstanceKey, Kind, OperationKey, Peer, Resource, SeriesKey, Service, Side
from topology.pairing import entries, names
from topology.pairing.kernel import RESOLVED_COLUMNS
from topology.pairing.targets import Alias, target
from topology.spans import (
    ADDRESS,
    CLIENT,
    CONSUMER,
    DB_NAMESPACE,
    DB_SYSTEM,
    DESTINATION,
    FIRST_CONFIGURED,
    KIND,
    LAST_PORT,
    MESSAGING_SYSTEM,
    NAME,
    PARENT,
    PEER_SERVICE,
    PORT_SHIFT,
    PRODUCER,
    RESOURCE,
    RPC_SYSTEM,
    SpanColumns,
)

MAX_ENDS = 1 << 17
MAX_PROTOCOLS = 255
MAX_TARGETS = 1 << 20
"""Of how many addresses with their ports, databases and so on is remembered where they lead."""
OTHER = "other"
EXCESS_NAMES_ASKED = 4096


@dataclass(frozen=True)
class FailureRules:
    """What counts as failed and what as protected (rule 6). The defaults are OpenTelemetry's conventions."""

    client_4xx_fails: bool = True
    grpc_server_codes: tuple[int, ...] = (2, 4, 12, 13, 14, 15)
    grpc_client_codes: tuple[int, ...] = tuple(range(1, 17))
    protected_http: tuple[int, ...] = (429,)
    protected_names: tuple[str, ...] = ("RL", "UO", "CallNotPermittedException", "RequestNotPermitted",
                                        "io.github.resilience4j.circuitbreaker.CallNotPermittedException",
                                        "io.github.resilience4j.ratelimiter.RequestNotPermitted",
                                        "com.alibaba.csp.sentinel.slots.block.flow.FlowException",
                                        "com.alibaba.csp.sentinel.slots.block.degrade.DegradeException")
    """`error.type`, `exception.type` or Envoy response flags of a rate limit or an open breaker."""


@dataclass(frozen=True)
class Bounds:
    """How much pairing may remember; what is beyond is merged into `other` and counted."""

    max_pending_spans: int = 4_000_000
    max_series: int = 100_000
    max_operations_per_service: int = 200
    max_strings: int = 1 << 18


@compiled(**JIT)
def _operation_key(place, name, root):  # type: ignore[no-untyped-def]
    return names.operation_key(place, name, root)


@compiled(**JIT)
def _target_key(environment, narrow):  # type: ignore[no-untyped-def]
    return names.target_key(environment, narrow)


@dataclass
class Ends:
    """The ends of calls: a service in a zone, numbered from 1. Number 0 is no end."""

    services: list[Service] = field(default_factory=lambda: [Service("", "", OTHER, Kind.UNKNOWN)])
    zones: list[str] = field(default_factory=lambda: [""])
    numbers: dict[tuple[Service, str], int] = field(default_factory=dict)
    service_numbers: dict[Service, int] = field(default_factory=dict)
    service_of: np.ndarray = field(default_factory=lambda: np.zeros(MAX_ENDS, np.int32))
    user_of: np.ndarray = field(default_factory=lambda: np.zeros(MAX_ENDS, np.int32))
    unknown_of: np.ndarray = field(default_factory=lambda: np.zeros(MAX_ENDS, np.int32))
    environment_of: np.ndarray = field(default_factory=lambda: np.zeros(MAX_ENDS, np.int32))
    waits: np.ndarray = field(default_factory=lambda: np.zeros(MAX_ENDS, np.uint8))
    environments: dict[str, int] = field(default_factory=dict)
    overflow: int = 0

    def number(self, service: Service, zone: str = "") -> int:
        """The number of an end; when there are too many, that of `other` in the same environment."""
        found = self.numbers.get((service, zone))
        if found is not None:
            return found
        if len(self.services) >= MAX_ENDS - 64 and service.kind not in (Kind.USER, Kind.UNKNOWN):
            self.overflow += 1
            return self.number(Service(service.environment, "", OTHER, Kind.UNKNOWN))
        number = len(self.services)
        self.services.append(service)
        self.zones.append(zone)
        self.numbers[service, zone] = number
        self.service_of[number] = self.service_numbers.setdefault(service, len(self.service_numbers) + 1)
        self.environment_of[number] = self.environments.setdefault(service.environment, len(self.environments))
        return number

    def end(self, number: int) -> tuple[Service, str]:
        """The service and zone of an end."""
        return self.services[number], self.zones[number]

    def place(self, service: Service, zone: str) -> int:
        """The number of an end that makes spans: it can be called by `user` and by `unknown`."""
        number = self.number(service, zone)
        if not self.user_of[number]:
            self.user_of[number] = self.number(Service(service.environment, "", "user", Kind.USER))
            self.unknown_of[number] = self.number(Service(service.environment, "", "unknown", Kind.UNKNOWN))
        return number


class Naming:
    """Names what the compiled pass does not know. Not thread-safe; owned by Pairing."""

    def __init__(self, strings: Interner, resource_of: Callable[[int], Resource], state: np.ndarray,
                 rules: FailureRules, bounds: Bounds, alias: Alias, source: str, clean: Callable[[str], str]) -> None:
        self.ends = Ends()
        self.keys: list[SeriesKey | None] = [None]
        self.operation_overflow = 0
        self._strings, self._resource_of, self._state, self._clean = strings, resource_of, state, clean
        self._bounds, self._alias, self._source = bounds, alias, source
        self._numbers: dict[SeriesKey, int] = {}
        self._operations_of: dict[Service, set[str]] = {}
        self._protocols: dict[str, int] = {"": 0, "http": 1}
        self._words = np.zeros(names.STATE_WORDS, np.int64)
        self._words_address = int(self._words.ctypes.data)
        self._resources = np.zeros((2, 1 << 15), np.int32)
        self._resources_known = np.zeros(1 << 15, np.uint8)
        self._other_operation = np.zeros((MAX_ENDS, 2), np.int32)
        self._names_asked = np.zeros(MAX_ENDS, np.int32)
        self._protocol_of = np.zeros((2, bounds.max_strings), np.uint8)
        self._thresholds = np.zeros(MAX_ENDS, np.uint8)
        self._statuses = np.zeros(names.PROTECTED_STATUSES, np.uint8)
        self._make_room(0)
        self._set_rules(rules)
        self._set_tables()
        self._operations = Lookup(self._words, names.OPERATIONS, names.OPERATIONS_MASK)
        self._targets = Lookup(self._words, names.TARGETS, names.TARGETS_MASK)

    def _set_rules(self, rules: FailureRules) -> None:
        for number, name in enumerate(rules.protected_names, FIRST_CONFIGURED):
            if self._strings.text(number) != name:
                raise ValueError(f"the decoder must reserve the names of protection in order; {name!r} is not there")
        self._words[names.CLIENT_4XX] = rules.client_4xx_fails
        self._words[names.GRPC_SERVER] = sum(1 << code for code in set(rules.grpc_server_codes))
        self._words[names.GRPC_CLIENT] = sum(1 << code for code in set(rules.grpc_client_codes))
        self._words[names.LAST_PROTECTION] = FIRST_CONFIGURED + len(rules.protected_names) - 1
        self._statuses[list(rules.protected_http)] = 1
        self._words[names.HTTP_PROTOCOL] = self._protocols["http"]

    def _set_tables(self) -> None:
        tables = {
            names.PLACES: self._resources[0], names.INSTANCES: self._resources[1],
            names.PLACES_KNOWN: self._resources_known, names.PROTOCOLS: self._protocol_of[0],
            names.PROTOCOLS_KNOWN: self._protocol_of[1], names.ENVIRONMENTS: self.ends.environment_of,
            names.OTHER_OPERATION: self._other_operation, names.PROTECTED_STATUS: self._statuses,
            names.THRESHOLDS: self._thresholds,
        }
        for word, table in tables.items():
            self._words[word] = table.ctypes.data

    def forget(self) -> None:
        """Forgets every lookup by the decoder's numbers; what was counted keeps its own."""
        self._resources_known[:] = 0
        self._protocol_of[:] = 0
        self._other_operation[:] = 0
        self._names_asked[:] = 0
        self._operations.clear()
        self._targets.clear()

    def _make_room(self, rows: int) -> None:
        self.resolved = np.zeros((rows, RESOLVED_COLUMNS), np.int32)
        self.address = int(self.resolved.ctypes.data)
        self._unknown = np.zeros(rows, np.int32)
        self._unknown_address = int(self._unknown.ctypes.data)

    def resolve(self, columns: SpanColumns) -> np.ndarray:
        """The resolved columns of a batch, naming whatever is new."""
        if len(self._targets) > MAX_TARGETS:
            self._targets.clear()
        if len(self.resolved) < columns.capacity:
            self._make_room(columns.capacity)
        while True:
            missing = names.resolve(*columns.addresses, self.address, columns.used, self._words_address,
                                    self._unknown_address)
            if not missing:
                return self.resolved
            for row in self._unknown[:missing].tolist():
                self._name(columns, row)

    def _name(self, columns: SpanColumns, row: int) -> None:
        narrow = columns.narrow[row]
        resource = int(narrow[RESOURCE])
        if not self._resources_known[resource]:
            self._name_resource(resource)
        place = int(self._resources[0, resource])
        kind = int(narrow[KIND]) & 7
        root = int(columns.wide[row, PARENT]) == 0 and kind not in (2, 5)
        if kind in (0, 2, 5) or root:
            self._name_operation(place, int(narrow[NAME]), root)
        if kind in (CLIENT, PRODUCER, CONSUMER):
            self._name_target(place, columns, row)
        for column in (RPC_SYSTEM, MESSAGING_SYSTEM, DB_SYSTEM):
            self._name_protocol(int(narrow[column]))

    def _name_resource(self, number: int) -> None:
        resource = self._resource_of(number)
        self._resources[0, number] = self.ends.place(resource.service, resource.zone)
        key = InstanceKey(resource.service, resource.zone, resource.instance, resource.version, self._source)
        self._resources[1, number] = self.local(key) if resource.instance else 0
        self._resources_known[number] = 1

    def _name_operation(self, place: int, name: int, root: bool) -> None:
        key = _operation_key(place, name, root)
        if key in self._operations:
            return
        text = self._clean(self._strings.text(name)) or OTHER
        known = self._operations_of.setdefault(self.ends.services[place], set())
        if text in known or len(known) < self._bounds.max_operations_per_service:
            known.add(text)
        else:
            self.operation_overflow += 1
            text = OTHER
            self._note_excess(place)
        self._operations.insert(key, self._operation(place, text, root))

    def _note_excess(self, place: int) -> None:
        """A service that invents names without end is not asked for them any more, see `names`."""
        self._names_asked[place] += 1
        if self._names_asked[place] > EXCESS_NAMES_ASKED:
            self._other_operation[place] = [self._operation(place, OTHER, root) for root in (False, True)]

    def _operation(self, place: int, text: str, root: bool) -> int:
        return self.local(OperationKey(self.ends.services[place], self.ends.zones[place], text, root, self._source))

    def _name_target(self, place: int, columns: SpanColumns, row: int) -> None:
        environment = int(self.ends.environment_of[place])
        key = _target_key(environment, columns.addresses[1] + row * 64)
        if key in self._targets:
            return
        said = columns.narrow[row].tolist()
        texts = (self._strings.text(said[column]) for column in
                 (PEER_SERVICE, ADDRESS, DB_SYSTEM, DB_NAMESPACE, MESSAGING_SYSTEM, DESTINATION))
        service, address, database, namespace, messaging, destination = map(self._clean, texts)
        port = said[KIND] >> PORT_SHIFT & LAST_PORT
        peer = Peer(service, address, database, namespace, messaging, destination, port)
        self._targets.insert(key, self.ends.number(target(peer, self.ends.services[place].environment, self._alias)))

    def _name_protocol(self, number: int) -> None:
        if self._protocol_of[1, number]:
            return
        text = self._strings.text(number)
        if len(self._protocols) < MAX_PROTOCOLS:
            self._protocols.setdefault(text, len(self._protocols))
        self._protocol_of[:, number] = self._protocols.get(text, 0), 1

    def thresholds(self) -> dict[Service, int]:
        """What the spans of every service that sent any since the last call said of sampling: names.SAID, UNSAID or
        both."""
        told: dict[Service, int] = {}
        for number in np.flatnonzero(self._thresholds).tolist():
            service = self.ends.services[number]
            told[service] = told.get(service, 0) | int(self._thresholds[number])
        self._thresholds[:] = 0
        return told

    def local(self, key: SeriesKey) -> int:
        """The local number of a series; 0 when there are too many."""
        found = self._numbers.get(key)
        if found is None:
            found = int(self._state[entries.LOCALS])
            if found >= self._bounds.max_series:
                return 0
            self._state[entries.LOCALS] += 1
            self._numbers[key] = found
            self.keys += [None] * (found + 1 - len(self.keys))
            self.keys[found] = key
        return found

    def renew(self, keep: np.ndarray) -> np.ndarray:
        """Gives the series in `keep` (ascending local numbers) the first numbers and forgets all others; returns the
        new number of every old one, 0 for those that are gone."""
        new_of = np.zeros(len(self.keys), np.int64)
        new_of[keep] = np.arange(1, len(keep) + 1)
        self.keys = [None, *(self.keys[old] for old in keep.tolist())]
        self._numbers = {key: number for number, key in enumerate(self.keys) if key is not None and number
                         and not isinstance(key, EdgeKey)}
        self._state[entries.LOCALS] = len(self.keys)
        self.forget()
        return new_of

    def name_edges(self, new_edges: np.ndarray) -> None:
        """Remembers what the local numbers mean that a kernel gave to new paths: rows of (local, key)."""
        protocols = list(self._protocols)
        for local, key in new_edges.tolist():
            caller, callee, protocol = key >> 28, (key >> 8) & entries.END_MASK, key & 255
            self.keys += [None] * (local + 1 - len(self.keys))
            self.keys[local] = EdgeKey(self.ends.services[caller], self.ends.zones[caller], self.ends.services[callee],
                                       self.ends.zones[callee], protocols[protocol], Side.CLIENT, self._source)
