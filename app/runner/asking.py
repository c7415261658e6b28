"""One source that is asked: a thread that pulls the newest minutes, then the past, and tells how it goes."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from app.engine.moments import rfc3339
from app.runner.coverage import Coverage, Span, newest
from collectors.config import Pace
from collectors.contract import Pulled, Puller
from topology.errors import MalformedInput, Overloaded, SourceUnavailable, StoreError, Why

MOST_WAIT_S = 300.0
WINDOW_S = 60.0
"""Over how long the rate of pulls is told."""
_log = structlog.get_logger("synoptic.runner")

Deliver = Callable[[str, Pulled, bytes], None]
"""Hands over what a source brought, and its checkpoint. SourceUnavailable when its spans could not all be read,
Overloaded, StoreError or OSError when it cannot be taken now."""


@dataclass(frozen=True)
class Asking:
    """What is asked, how often, and where the answers go. `stored` is the checkpoint of the last run."""

    name: str
    kind: str
    puller: Puller
    pace: Pace
    deliver: Deliver
    stored: Callable[[], bytes | None]
    has_past: bool = True
    clock: Callable[[], float] = time.time


class Source:
    """Asks one source from `start` to `stop`. Whatever it answers, or does not, nothing else suffers."""

    def __init__(self, asking: Asking, chance: Callable[[], float] = random.random) -> None:
        self.name = asking.name
        self._a, self._chance = asking, chance
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"ask-{asking.name}", daemon=True)
        self._coverage = Coverage()
        self._failures, self._next_past_s = 0, 0.0
        self._error, self._why, self._fault = "", Why.OTHER, ""
        self._seen_s: float | None = None
        self._pulls: deque[float] = deque(maxlen=1000)
        self._counts = {"pulls": 0, "failed_pulls": 0}
        self._minutes_read = 0

    @property
    def puller(self) -> Puller:
        """What is asked; it may be searched as well."""
        return self._a.puller

    def start(self) -> None:
        """Begins to ask, from where the last run ended."""
        try:
            self._coverage = Coverage.read(self._a.stored())
        except MalformedInput as error:
            _log.error("it is not known what was read before; the past is read again", source=self.name, why=str(error))
        self._thread.start()

    def stop(self) -> None:
        """Asks nothing more; what is under way is waited for a moment."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)
        self._a.puller.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            began_s = time.monotonic()
            wait_s = self.step()
            self._stop.wait(max(0.0, wait_s - (time.monotonic() - began_s)))

    def step(self) -> float:
        """Asks once for the newest minutes and, when it is time, for a piece of the past; returns after how long the
        next step is due, in seconds from when this one began."""
        span = newest(self._a.clock(), self._a.pace)
        waited_s = self._attempt(span, self._coverage.after_live(span))
        if waited_s is not None:
            return waited_s
        until_s = time.monotonic() + self._a.pace.interval_s
        while self._a.has_past and not self._stop.is_set() and self._next_past_s < until_s:
            self._stop.wait(max(0.0, self._next_past_s - time.monotonic()))
            if self._stop.is_set() or not self._catch_up():
                break
        return self._a.pace.interval_s

    def _catch_up(self) -> bool:
        """Reads a piece of the past; False when there is none, or it could not be read."""
        gap = self._coverage.gap(self._a.clock(), self._a.pace)
        if gap is None:
            return False
        began_s = time.monotonic()
        waited_s = self._attempt(gap, self._coverage.after_past(gap))
        took_s = time.monotonic() - began_s
        self._next_past_s = time.monotonic() + (waited_s or took_s * (1 / self._a.pace.catch_up_share - 1))
        return waited_s is None

    def _attempt(self, span: Span, covered: Coverage) -> float | None:
        """Pulls and delivers; None when that went well, else how long to wait."""
        self._counts["pulls"] += 1
        self._pulls.append(time.monotonic())
        try:
            pulled = self._a.puller.pull(*span)
            self._a.deliver(self.name, pulled, covered.content(self._a.clock()))
        except (SourceUnavailable, Overloaded, StoreError, OSError) as error:
            return self._failed(str(error), getattr(error, "retry_after_s", 0.0), getattr(error, "why", Why.OTHER))
        except Exception as error:  # noqa: BLE001 - whatever a source answers, the next pull must come
            _log.exception("a pull met what it must not meet", source=self.name)
            return self._failed(f"{type(error).__name__} while it was read; the log has more", 0.0)
        self._succeeded(pulled, span, covered)
        return None

    def _succeeded(self, pulled: Pulled, span: Span, covered: Coverage) -> None:
        if self._error:
            _log.info("the source answers again", source=self.name)
        self._coverage, self._failures, self._error = covered, 0, ""
        self._fault = "; ".join(pulled.faults)
        self._seen_s = self._a.clock()
        self._minutes_read += span.minutes

    def _failed(self, reason: str, retry_after_s: float, why: Why = Why.OTHER) -> float:
        """Twice as long after every failure, up to five minutes; by chance up to half less, so that many who lost one
        source do not come back at once."""
        if reason != self._error:
            _log.warning("the source does not answer; asked again later", source=self.name, why=reason)
        self._failures += 1
        self._counts["failed_pulls"] += 1
        self._error, self._why = reason, why
        longest_s = min(MOST_WAIT_S, self._a.pace.interval_s * 2.0 ** min(self._failures - 1, 10))
        return max(retry_after_s, longest_s * (1 - self._chance() / 2))

    def status(self) -> dict[str, Any]:
        """The row of the sources page: name, kind, state, rate_per_s (of pulls), lag_s (since the end of the newest
        minute that was read), last_error, last_error_why, last_seen, counters."""
        now_s, mono_s = self._a.clock(), time.monotonic()
        live = self._coverage.live
        recent = sum(1 for at_s in list(self._pulls) if at_s > mono_s - WINDOW_S)
        return {
            "name": self.name, "kind": self._a.kind, "state": self._state(),
            "rate_per_s": round(recent / WINDOW_S, 3),
            "lag_s": round(max(0.0, now_s - live.to_s), 1) if live and self._a.has_past else None,
            "last_error": self._error or self._fault or None,
            "last_error_why": str(self._why) if self._error else None,
            "last_seen": None if self._seen_s is None else rfc3339(self._seen_s),
            "counters": {**self._counts, **self._behind(now_s), **self._a.puller.counters()},
        }

    def _behind(self, now_s: float) -> Mapping[str, float]:
        if not self._a.has_past:
            return {}
        behind_s = self._coverage.missing_s(now_s, self._a.pace)
        return {"minutes_read": self._minutes_read, "minutes_to_catch_up": behind_s // 60}

    def _state(self) -> str:
        if self._error:
            return "failed"
        if self._seen_s is None:
            return "waiting"
        return "degraded" if self._fault else "ok"
