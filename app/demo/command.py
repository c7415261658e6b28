"""Runs the simulated bank against a clock: the script of incidents, the seconds as they come, and the sending."""

from __future__ import annotations

import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields

import structlog

from app.demo.bank import Bank, load_bank
from app.demo.conditions import Conditions, Running, conditions
from app.demo.saturation import as_metrics, readings
from app.demo.sender import SCOPE, GrpcWire, Sender, Wire, quiet_exporters
from app.demo.simulate import Journey, simulate

_PAUSE_S = 0.4
_METRICS_EVERY_S = 15
_LAG_KEPT_S = 60
_WAITING_SPANS = 20_000

_log = structlog.get_logger("synoptic.demo")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How the demo runs. `rate` is journeys a second at a normal hour; with an `incident` of one's own the script
    of the bank is off; `backfill_s` of traffic before now are sent first."""

    seed: int = 1
    rate: float = 20.0
    endpoint: str = "http://127.0.0.1:4317"
    incident: str | None = None
    incident_after_s: float = 0.0
    incident_for_s: float | None = None
    backfill_s: float = 0.0  # beyond an hour a receiver may call it late
    environment: str = "prod"


@dataclass(frozen=True, slots=True)
class IncidentState:
    """One incident that can be started: whether it runs now, since when, until when (epoch seconds, None: open)."""

    name: str
    title: Mapping[str, str]
    running: bool
    since_s: float | None = None
    until_s: float | None = None


class DemoBank:
    """The bank at a clock, with incidents that people start and stop. Thread-safe."""

    def __init__(
        self, bank: Bank, seed: int = 1, rate: float = 20.0, script: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bank, self._seed, self._rate, self._clock = bank, seed, rate, clock
        self._started_tick = int(clock()) if script else None
        self._lock = threading.Lock()
        self._own: list[Running] = []
        self._stopped: dict[str, int] = {}

    def start_incident(
        self, name: str, for_s: float | None = None, strength: float = 1.0, after_s: float = 0.0
    ) -> None:
        """Starts an incident now or in `after_s`, anew when it runs already; KeyError for an unknown name."""
        if name not in self._bank.incidents:
            raise KeyError(name)
        begin = int(self._clock() + after_s)
        with self._lock:
            self._own = [one for one in self._own if one.incident != name]
            self._own.append(Running(name, begin, None if for_s is None else begin + round(for_s), strength))

    def stop_incident(self, name: str) -> None:
        """Ends an incident, also one that the script started; KeyError for an unknown name."""
        if name not in self._bank.incidents:
            raise KeyError(name)
        with self._lock:
            self._own = [one for one in self._own if one.incident != name]
            self._stopped[name] = int(self._clock())

    def incidents(self) -> list[IncidentState]:
        """Every incident that the bank knows, and whether it runs now."""
        tick = int(self._clock())
        now = {one.incident: one for one in self.running(tick)}
        return [self._state(name, now.get(name)) for name in self._bank.incidents]

    def running(self, tick: int) -> tuple[Running, ...]:
        """The incidents of one second, those of the script first."""
        with self._lock:
            own, stopped = list(self._own), dict(self._stopped)
        scripted = [
            one for one in self._scripted(tick)
            if not one.from_tick <= stopped.get(one.incident, one.from_tick - 1)
        ]
        return tuple(one for one in (*scripted, *own) if one.at(tick))

    def journeys(self, tick: int) -> Iterator[Journey]:
        """The journeys that begin in one second."""
        return simulate(self._bank, self._seed, tick, 1, self.running(tick), self._rate)

    def conditions(self, tick: int) -> Conditions:
        """What is wrong in one second."""
        return conditions(self._bank, self._seed, self._rate, tick, self.running(tick))

    def _scripted(self, tick: int) -> Iterator[Running]:
        if self._started_tick is None or tick < self._started_tick:
            return
        period = int(self._bank.script_repeat_s)
        begin = self._started_tick + (tick - self._started_tick) // period * period
        for act in self._bank.script:
            from_tick = begin + int(act.after_s)
            yield Running(act.incident, from_tick, from_tick + int(act.for_s), act.strength)

    def _state(self, name: str, now: Running | None) -> IncidentState:
        title = self._bank.incidents[name].title
        if now is None:
            return IncidentState(name, title, running=False)
        return IncidentState(name, title, running=True, since_s=now.from_tick, until_s=now.until_tick)


def add_flags(parser: ArgumentParser) -> None:
    """The flags of the demo that `options_from` reads; a flag that is not given is None."""
    parser.add_argument("--seed", type=int, help="the same seed makes the same traffic (default 1)")
    parser.add_argument("--rate", type=float, metavar="CALLS_PER_S", help="work from outside at a normal hour "
                        "(default 20; one piece of work is about a dozen spans)")
    parser.add_argument("--endpoint", metavar="URL", help="an OTLP gRPC receiver (default http://127.0.0.1:4317)")
    parser.add_argument("--incident", metavar="NAME", help="run this incident instead of the script of the bank")
    parser.add_argument("--incident-after", metavar="S", type=float, dest="incident_after_s", help="wait so long first")
    parser.add_argument("--incident-for", metavar="S", type=float, dest="incident_for_s", help="end it after so long")
    parser.add_argument("--backfill", metavar="S", type=float, dest="backfill_s",
                        help="send so many seconds of traffic before now first (default 0)")


def options_from(arguments: Namespace) -> DemoOptions:
    """The options that were given, the defaults for the rest."""
    names = (field.name for field in fields(DemoOptions))
    given = {name: getattr(arguments, name, None) for name in names}
    return DemoOptions(**{name: value for name, value in given.items() if value is not None})


def run(
    options: DemoOptions, stop: threading.Event, say: Say = _log.info,
    demo: DemoBank | None = None, wire: Wire | None = None, clock: Callable[[], float] = time.time,
) -> int:
    """Sends the bank's traffic until `stop` is set; answers 0, or 2 for an unknown incident (said with the names).

    A receiver that does not answer is said once and tried again; what has ended by the time of the stop is sent.
    """
    bank = load_bank()
    if options.incident is not None and options.incident not in bank.incidents:
        say(f"unknown incident {options.incident!r}; there are: {', '.join(bank.incidents)}")
        return 2
    quiet_exporters()
    demo = demo or DemoBank(bank, options.seed, options.rate, script=options.incident is None, clock=clock)
    if options.incident is not None:
        demo.start_incident(options.incident, options.incident_for_s, after_s=options.incident_after_s)
    sender = Sender(bank, wire or GrpcWire(options.endpoint), options.environment)
    say(f"demo bank: {options.rate:g} journeys a second, seed {options.seed}, to {options.endpoint}")
    _Round(bank, demo, sender, options, say, clock).until(stop)
    say(f"demo bank: stopped, {sender.sent_spans} spans sent")
    return 0


class _Round:
    """The seconds as they come: begin what begins, end what has ended, send it."""

    def __init__(
        self, bank: Bank, demo: DemoBank, sender: Sender, options: DemoOptions, say: Say, clock: Callable[[], float]
    ) -> None:
        self._bank, self._demo, self._sender, self._options, self._say = bank, demo, sender, options, say
        self._clock = clock
        self._next_tick = int(clock() - options.backfill_s)
        self._measured_s = 0.0
        self._answered: bool | None = None

    def until(self, stop: threading.Event) -> None:
        """Runs until the stop, then sends what is left and lets go of the wire."""
        try:
            while not stop.is_set():
                self._catch_up(stop)
                stop.wait(_PAUSE_S)
            self._sender.finish(self._now_us())
            if self._answered:
                self._sender.flush()
        finally:
            self._sender.close()

    def _catch_up(self, stop: threading.Event) -> None:
        now_s = self._clock()
        self._next_tick = max(self._next_tick, int(now_s - max(_LAG_KEPT_S, self._options.backfill_s)))
        while self._next_tick <= now_s and self._sender.waiting < _WAITING_SPANS and not stop.is_set():
            self._sender.begin(self._demo.journeys(self._next_tick))
            self._next_tick += 1
            if self._next_tick < now_s - 5:  # the past is sent as it is made
                self._sender.finish(self._next_tick * 1_000_000)
                self._send()
                self._measure(self._next_tick)
        self._sender.finish(self._now_us())
        self._send()
        self._measure(now_s)

    def _send(self) -> None:
        if not self._sender.waiting:
            return
        answered = self._sender.flush()
        if answered is not self._answered:
            self._say(
                f"demo bank: {self._options.endpoint} takes the spans" if answered else
                f"demo bank: {self._options.endpoint} does not take spans; is a receiver running there? Trying again"
            )
        self._answered = answered

    def _measure(self, now_s: float) -> None:
        if not self._answered or now_s - self._measured_s < _METRICS_EVERY_S:
            return
        self._measured_s, tick = now_s, int(now_s)
        now, seed = self._demo.conditions(tick), self._options.seed
        found = (
            (resource, list(readings(self._bank, now, seed, tick, place)))
            for place, resource in self._sender.resources() if place.zone not in now.lost
        )
        self._sender.measure(as_metrics(found, SCOPE, int(now_s * 1e9)))

    def _now_us(self) -> int:
        return int(self._clock() * 1_000_000)
