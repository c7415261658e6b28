"""How often a service is deployed, and how often that goes wrong: two of the four keys of DORA.

Deployment frequency is the number of deployments over the days looked at; change failure rate is the share of them that
failed (dora.dev, "DORA's software delivery performance metrics"). A deployment failed when whoever made it says so, or
when a page-level alert of its service began within a given time after it and it was the newest deployment before that
alert. What several tell of within ONCE_S is one deployment, each of them telling of it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from topology.changes import Change, ChangeKind, Outcome
from topology.deployments import SOURCE

ONCE_S = 1800.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """When a page-level alert of a service began; `service` is its id."""

    service: str
    since_s: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the deployments of one service (id); `last_s` is the newest. Running ones are among them."""

    service: str
    deployments: int
    failed: int
    last_s: float


def once(changes: Iterable[Change]) -> list[Change]:
    """The deployments of services in the order of time, each of them once: as the people or tools who made it tell of
    it rather than as the data shows it, failed when anybody says so."""
    told = sorted((one for one in changes if one.kind is ChangeKind.DEPLOYMENT and one.service),
                  key=lambda one: (one.at_s, one.uid))
    kept: list[list[Change]] = []
    for change in told:
        same = next((one for one in reversed(kept) if _same(one, change)), None)
        same.append(change) if same else kept.append([change])
    return [_of(one) for one in kept]


def _same(cluster: Sequence[Change], change: Change) -> bool:
    """Whether a change is the one that others have told of already."""
    return (cluster[0].service == change.service and change.at_s - cluster[0].at_s <= ONCE_S
            and all(one.source != change.source for one in cluster))


def _of(cluster: Sequence[Change]) -> Change:
    first = min(cluster, key=lambda one: (one.source == SOURCE, one.at_s))
    failed = any(one.outcome is Outcome.FAILED for one in cluster)
    return replace(first, outcome=Outcome.FAILED) if failed else first


def failures(deployments: Sequence[Change], alarms: Iterable[Alarm], within_s: float) -> set[str]:
    """The uids of the deployments that failed; `deployments` as `once` gives them."""
    failed = {one.uid for one in deployments if one.outcome is Outcome.FAILED}
    for alarm in alarms:
        before = [one for one in deployments
                  if one.service and one.service.id == alarm.service and one.at_s <= alarm.since_s]
        if before and alarm.since_s - before[-1].at_s <= within_s:
            failed.add(before[-1].uid)
    return failed


def deliveries(changes: Iterable[Change], alarms: Sequence[Alarm], within_s: float,
               span: tuple[float, float]) -> list[Delivery]:
    """Of every service that was deployed in [from_s, to_s), what became of it, by id. Changes from ONCE_S before on
    should be among `changes`, so that what is told late of an earlier deployment is no second one."""
    deployments = once(changes)
    failed = failures(deployments, alarms, within_s)
    inside = sorted((one for one in deployments if span[0] <= one.at_s < span[1]), key=_service)
    rows = [(service, list(own)) for service, own in groupby(inside, key=_service)]
    return [Delivery(service, len(own), sum(one.uid in failed for one in own), max(one.at_s for one in own))
            for service, own in rows]


def _service(change: Change) -> str:
    return change.service.id if change.service else ""
