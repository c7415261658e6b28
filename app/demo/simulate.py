"""The traffic of the bank, second by second: a pure function of the bank, a seed and the running incidents.

A journey is everything that one piece of work from outside sets off. Latency adds up along its path: a service
waits for its stages, a stage for its slowest step, and between them passes its own log-normal time.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.demo.bank import Bank, BankService, Edge, Entry, Policy, Step
from app.demo.conditions import Conditions, Running, conditions

_SELF_SIGMA = 0.35
_RETRY_PAUSE_US = 20_000
_IN_ZONE_US, _CROSS_ZONE_US = 300, 1_500
_QUEUE_LAG_MS = 35.0
_NOT_PERMITTED_US = 60
_REJECTED_US = 900


class Role(StrEnum):
    """Which side of which kind of call a span stands for."""

    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Ending(StrEnum):
    """How a piece of work ended."""

    OK = "ok"
    FAILED = "failed"
    TIMEOUT = "timeout"
    NOT_PERMITTED = "not_permitted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The ending, and for what began here the exception that began it."""

    ending: Ending = Ending.OK
    error: str = ""
    message: str = ""


OK = Outcome()


@dataclass(frozen=True, slots=True)
class Place:
    """One running instance of a service."""

    service: str
    zone: str
    instance: int
    version: str


@dataclass(frozen=True, slots=True)
class SpanPlan:
    """One span to be. Times are epoch microseconds; `parent` and `link` are positions in the journey, -1 for none;
    `peer` is the service at the other end and `resend` counts repeated attempts."""

    place: Place
    role: Role
    operation: str
    peer: str
    start_us: int
    end_us: int
    outcome: Outcome = OK
    parent: int = -1
    link: int = -1
    resend: int = 0


@dataclass(frozen=True, slots=True)
class Journey:
    """One piece of work from outside and its spans; a parent or linked span stands before the spans that name it."""

    entry: Entry
    spans: tuple[SpanPlan, ...]


def simulate(
    bank: Bank, seed: int, from_tick: int, ticks: int, incidents: Sequence[Running] = (), rate: float = 20.0
) -> Iterator[Journey]:
    """The journeys that begin in the seconds `from_tick` to before `from_tick + ticks` (epoch seconds), in no
    particular order within a second. The same arguments give the same journeys, and a second does not depend on
    the seconds before it. `rate` is journeys a second at a normal hour of a working day."""
    for tick in range(from_tick, from_tick + ticks):
        now = conditions(bank, seed, rate, tick, incidents)
        counts = random.Random(f"{seed}/{tick}")
        for entry in bank.entries:
            for number in range(_poisson(now.rates[entry], counts.random())):
                rng = random.Random(f"{seed}/{tick}/{entry.service}/{entry.operation}/{number}")
                yield _journey(bank, now, entry, tick, rng)


def _journey(bank: Bank, now: Conditions, entry: Entry, tick: int, rng: random.Random) -> Journey:
    walk = _Walk(bank, now, rng)
    start_us = tick * 1_000_000 + int(rng.random() * 1_000_000)
    zones = tuple(bank.zones)
    zone = rng.choices(zones, [bank.zones[one] for one in zones])[0]
    place = walk.place(bank.services[entry.service], zone, 0.0)
    walk.serve(place, entry.operation, start_us, Role.SERVER, peer="")
    return Journey(entry, tuple(span for span in walk.spans if span is not None))


def _poisson(mean: float, uniform: float) -> int:
    """The quantile of the Poisson distribution: with one `uniform`, a larger mean never gives fewer."""
    count, chance = 0, math.exp(-mean)
    below = chance
    while uniform > below and count < 10_000:
        count += 1
        chance *= mean / count
        below += chance
    return count


class _Walk:
    """One journey on its way; collects the spans, each at the position it was begun."""

    __slots__ = ("_bank", "_now", "_rng", "spans")

    def __init__(self, bank: Bank, now: Conditions, rng: random.Random) -> None:
        self._bank, self._now, self._rng = bank, now, rng
        self.spans: list[SpanPlan | None] = []

    def place(self, service: BankService, zone: str, cross_zone: float) -> Place:
        """An instance of `service` for a caller in `zone`, by chance in another data centre."""
        crosses, pick = self._rng.random() < cross_zone, self._rng.random()
        zones = [one for one in service.zones if one not in self._now.lost] or list(service.zones)
        if zone not in zones or (crosses and len(zones) > 1):
            zone = next(one for one in zones if one != zone)
        instance = int(pick * service.instances)
        return Place(service.name, zone, instance, self._version(service, instance))

    def _version(self, service: BankService, instance: int) -> str:
        deploy, done = self._now.deploy.get(service.name, (None, 0.0))
        rolled = deploy is not None and (instance + 0.5) / service.instances <= done
        return deploy.version if deploy is not None and rolled else service.version

    def serve(
        self, place: Place, operation: str, start_us: int, role: Role, peer: str,
        parent: int = -1, link: int = -1, rejected: bool = False,
    ) -> tuple[int, Outcome]:
        """The work of an instance, with everything it calls; answers the end and the outcome."""
        at = self._begin()
        if rejected:
            end_us, outcome = start_us + _REJECTED_US, Outcome(Ending.REJECTED)
        else:
            end_us, outcome = self._work(place, operation, start_us, at)
        self.spans[at] = SpanPlan(place, role, operation, peer, start_us, end_us, outcome, parent, link)
        return end_us, outcome

    def _begin(self) -> int:
        self.spans.append(None)
        return len(self.spans) - 1

    def _work(self, place: Place, operation: str, start_us: int, at: int) -> tuple[int, Outcome]:
        service = self._bank.services[place.service]
        own_us, trouble = self._own(service, place.version)
        stages = self._bank.operations[service.name, operation]
        if trouble is not OK:
            return start_us + own_us, trouble
        slice_us, clock, outcome = own_us // (len(stages) + 1), start_us, OK
        for stage in stages:
            clock += slice_us
            done = [self._step(place, step, clock, at) for step in stage]
            clock = max([clock, *(end for end, _ in done)])
            outcome = next((one for _, one in done if one.ending is not Ending.OK), OK)
            if outcome is not OK:
                break
        return clock + slice_us, outcome

    def _own(self, service: BankService, version: str) -> tuple[int, Outcome]:
        """The time of its own in microseconds, and whether something of its own goes wrong."""
        rng, now = self._rng, self._now
        own_ms = service.self_ms * math.exp(rng.gauss(0.0, _SELF_SIGMA))
        slow_draw, slow_gauss, fail_draw = rng.random(), rng.gauss(0.0, 1.0), rng.random()
        slow = now.slow.get(service.name)
        if slow is not None and slow_draw < slow.share:
            own_ms += slow.ms * math.exp(slow.sigma * slow_gauss)
        return max(50, int(own_ms * 1000)), self._trouble(service, version, fail_draw)

    def _trouble(self, service: BankService, version: str, draw: float) -> Outcome:
        fail = self._now.fail.get(service.name)
        if fail is not None and draw < fail.share:
            return Outcome(Ending.FAILED, fail.error, fail.message)
        deploy, _ = self._now.deploy.get(service.name, (None, 0.0))
        if deploy is not None and version == deploy.version and draw < deploy.fails:
            return Outcome(Ending.FAILED, deploy.error, deploy.message)
        if draw < service.error_ratio:
            return Outcome(Ending.FAILED, "java.io.IOException", "connection reset by peer")
        return OK

    def _step(self, caller: Place, step: Step, start_us: int, parent: int) -> tuple[int, Outcome]:
        """All runs of a step, one after another; the caller copes with a failure as its policy says."""
        runs = int(step.share) + (self._rng.random() < step.share % 1.0)
        edge = (caller.service, step.service)
        policy, clock, outcome = self._bank.policy(edge), start_us, OK
        for _ in range(runs):
            clock, outcome = self._guarded(caller, step, clock, parent, policy)
            if outcome.ending is not Ending.OK and self._rng.random() < policy.fallback:
                outcome = OK
            if outcome is not OK:
                break
        return clock, Outcome(outcome.ending) if outcome is not OK else OK

    def _guarded(
        self, caller: Place, step: Step, start_us: int, parent: int, policy: Policy
    ) -> tuple[int, Outcome]:
        edge = (caller.service, step.service)
        if self._draw(self._now.open, edge):
            return self._not_permitted(caller, step, start_us, parent)
        rejected = self._draw(self._now.rejected, edge)
        clock, outcome = start_us, OK
        for resend in range(policy.retries + 1):
            clock, outcome = self._attempt(caller, step, clock, parent, policy, resend, rejected)
            if outcome.ending not in {Ending.FAILED, Ending.TIMEOUT}:
                break
            clock += _RETRY_PAUSE_US if resend < policy.retries else 0
        return clock, outcome

    def _draw(self, shares: Mapping[Edge, float], edge: Edge) -> bool:
        # the draw is made whatever the share, so that an incident elsewhere does not shift the chances of this path
        return edge in self._bank.policies and self._rng.random() < shares.get(edge, 0.0)

    def _not_permitted(self, caller: Place, step: Step, start_us: int, parent: int) -> tuple[int, Outcome]:
        outcome = Outcome(
            Ending.NOT_PERMITTED, "io.github.resilience4j.circuitbreaker.CallNotPermittedException",
            f"CircuitBreaker '{step.service}' is OPEN and does not permit further calls",
        )
        end_us = start_us + _NOT_PERMITTED_US
        self.spans.append(
            SpanPlan(caller, Role.CLIENT, step.operation, step.service, start_us, end_us, outcome, parent)
        )
        return end_us, outcome

    def _attempt(
        self, caller: Place, step: Step, start_us: int, parent: int, policy: Policy, resend: int, rejected: bool
    ) -> tuple[int, Outcome]:
        """One client span and what it finds at the other end; at the time-out the caller stops waiting."""
        callee, at = self._bank.services[step.service], self._begin()
        role = Role.PRODUCER if callee.kind == "queue" else Role.CLIENT
        if callee.kind == "service":
            end_us, outcome = self._remote(caller, callee, step, start_us, at, policy, rejected)
        else:
            own_us, outcome = self._own(callee, callee.version)
            end_us = start_us + own_us
        if end_us - start_us > policy.timeout_ms * 1000:
            end_us = start_us + int(policy.timeout_ms * 1000)
            outcome = Outcome(Ending.TIMEOUT, "java.net.SocketTimeoutException", f"{step.service}: read timed out")
        self.spans[at] = SpanPlan(
            caller, role, step.operation, step.service, start_us, end_us, outcome, parent, resend=resend
        )
        if callee.kind == "queue" and outcome is OK:
            self._deliver(callee, step.operation, caller.zone, end_us, at)
        return end_us, outcome

    def _remote(
        self, caller: Place, callee: BankService, step: Step, start_us: int, parent: int, policy: Policy, rejected: bool
    ) -> tuple[int, Outcome]:
        cross_zone = self._bank.cross_zone if policy.cross_zone is None else policy.cross_zone
        place = self.place(callee, caller.zone, cross_zone)
        way_us = _IN_ZONE_US if place.zone == caller.zone else _CROSS_ZONE_US
        end_us, outcome = self.serve(
            place, step.operation, start_us + way_us, Role.SERVER, caller.service, parent, rejected=rejected
        )
        return end_us + way_us, Outcome(outcome.ending) if outcome is not OK else OK

    def _deliver(self, queue: BankService, operation: str, zone: str, sent_us: int, producer: int) -> None:
        """The consumers of a message, each after its lag; their failures are nobody else's."""
        for step in (step for stage in self._bank.operations[queue.name, operation] for step in stage):
            taken, lag = self._rng.random() < step.share, self._rng.gauss(0.0, 0.5)
            if not taken:
                continue
            consumer = self._bank.services[step.service]
            place = self.place(consumer, zone, self._bank.cross_zone)
            start_us = sent_us + int(_QUEUE_LAG_MS * math.exp(lag) * 1000)
            linked = consumer.follows == "link"
            self.serve(
                place, step.operation, start_us, Role.CONSUMER, queue.name,
                parent=-1 if linked else producer, link=producer if linked else -1,
            )
