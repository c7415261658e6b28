"""What is wrong with the bank at one moment: the running incidents, as shares per service and path."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.demo.bank import (
    Bank,
    Deploy,
    Edge,
    Effect,
    Entry,
    Fail,
    LoseZone,
    Open,
    Silence,
    Slow,
    Surge,
)

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Running:
    """An incident from one tick (epoch second) to before another; `until_tick` None means until it is stopped."""

    incident: str
    from_tick: int
    until_tick: int | None = None
    strength: float = 1.0

    def at(self, tick: int) -> bool:
        """Whether it runs in this second."""
        return self.from_tick <= tick and (self.until_tick is None or tick < self.until_tick)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The state of the bank in one second. `rates` are the calls a second that each entry should bring;
    `rejected` and `open` are shares of the calls of a path; `lost` are data centres; `scale` is the size of the
    simulated traffic beside that of the real bank."""

    scale: float
    rates: Mapping[Entry, float]
    slow: Mapping[str, Slow]
    fail: Mapping[str, Fail]
    deploy: Mapping[str, tuple[Deploy, float]]
    open: Mapping[Edge, float]
    rejected: Mapping[Edge, float]
    lost: frozenset[str]


def conditions(bank: Bank, seed: int, rate: float, tick: int, running: Iterable[Running]) -> Conditions:
    """The conditions in the second `tick`, with `rate` journeys a second at a normal hour. Pure."""
    effects = [
        (effect, _progress(bank, one, tick))
        for one in running if one.at(tick)
        for effect in bank.incidents[one.incident].effects
    ]
    factors = _factors(bank, seed, tick, effects)
    scale = rate / sum(entry.rate for entry in bank.entries)
    return Conditions(
        scale=scale,
        rates={entry: entry.rate * factors[entry] * scale for entry in bank.entries},
        slow={e.service: Slow(e.service, e.share * part, e.ms, e.sigma) for e, part in effects if isinstance(e, Slow)},
        fail={
            e.service: Fail(e.service, e.share * part, e.error, e.message) for e, part in effects if isinstance(e, Fail)
        },
        deploy={e.service: (e, part) for e, part in effects if isinstance(e, Deploy)},
        open={e.edge: e.share * part for e, part in effects if isinstance(e, Open)},
        rejected=_rejected(bank, factors),
        lost=frozenset(e.zone for e, _ in effects if isinstance(e, LoseZone)),
    )


def day_factor(bank: Bank, tick: int) -> float:
    """The share of the normal rate at this hour of the bank's day."""
    hour = ((tick + bank.utc_offset_h * 3600) % _DAY_S) / 3600
    for (from_hour, low), (to_hour, high) in zip(bank.day_curve, bank.day_curve[1:], strict=False):
        if from_hour <= hour < to_hour:
            return low + (high - low) * (hour - from_hour) / (to_hour - from_hour)
    raise ValueError(f"the day curve does not cover hour {hour}")


def _is_weekend(bank: Bank, tick: int) -> bool:
    day = int((tick + bank.utc_offset_h * 3600) // _DAY_S)
    return (day + 3) % 7 >= 5  # 1 January 1970 was a Thursday


def _progress(bank: Bank, one: Running, tick: int) -> float:
    ramp_s = bank.incidents[one.incident].ramp_s
    return one.strength * min(1.0, (tick - one.from_tick + 1) / ramp_s if ramp_s else 1.0)


def _factors(bank: Bank, seed: int, tick: int, effects: list[tuple[Effect, float]]) -> dict[Entry, float]:
    day, weekend = day_factor(bank, tick), _is_weekend(bank, tick)
    swell = random.Random(f"{seed}/minute/{tick // 60}")
    by_users = {users: swell.gauss(0.0, 1.0) for users in dict.fromkeys(entry.users for entry in bank.entries)}
    silent = {effect.service for effect, _ in effects if isinstance(effect, Silence)}
    surges = {e.service: 1 + (e.factor - 1) * part for e, part in effects if isinstance(e, Surge)}
    return {
        entry: 0.0 if entry.service in silent else (
            day * (entry.weekend if weekend else 1.0) * surges.get(entry.service, 1.0)
            * math.exp(entry.burst * by_users[entry.users] - entry.burst**2 / 2)
        )
        for entry in bank.entries
    }


def _rejected(bank: Bank, factors: Mapping[Entry, float]) -> dict[Edge, float]:
    """What the limiters turn away: the part of the load of a path above its limit."""
    shares = {}
    for edge, limit in ((edge, policy.limit) for edge, policy in bank.policies.items() if policy.limit is not None):
        parts = [(entry, entry.rate * calls) for entry in bank.entries if (calls := bank.visits[entry].get(edge))]
        load = sum(usual * factors[entry] for entry, usual in parts)
        shares[edge] = max(0.0, 1.0 - limit * sum(usual for _, usual in parts) / load) if load else 0.0
    return shares
