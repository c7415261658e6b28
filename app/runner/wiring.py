"""From the configuration to the sources that are asked, and from their answers to whoever counts or keeps them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from app.engine.asked import CHECKPOINT
from app.engine.deliveries import delivery
from app.engine.engine import Engine
from app.intakes import Intakes
from app.kinds import Collector
from app.runner import spans
from app.runner.asking import Asking, Source
from app.settings import Settings
from collectors.contract import Context, Pulled, Puller
from collectors.resources import Identify
from topology.errors import Overloaded

TOLD_AFTER_S = 60.0
"""A minute is told when it is over."""
OF_NOW = frozenset(("nacos",))
"""The kinds that tell of now only: they have no past to be read."""


def lags_s(settings: Settings) -> dict[str, float]:
    """How far behind the sources that are asked usually are, by name: what they tell is about the minute before the
    last, told some time after its end, at the next pull; spans then wait for each other."""
    return {name: TOLD_AFTER_S + c.config.pace.settle_s + c.config.pace.interval_s
            + getattr(c.config, "spans_apart_s", 0.0) for name, c in asked(settings).items() if c.kind not in OF_NOW}


def counting(settings: Settings) -> frozenset[str]:
    """The names of the sources that count themselves instead of bringing spans."""
    return frozenset(name for name, c in asked(settings).items()
                     if c.kind not in OF_NOW and not hasattr(c.config, "spans_apart_s"))


def asked(settings: Settings) -> dict[str, Collector]:
    """The collectors that are on and are asked, by name."""
    return {name: c for name, c in settings.collectors.items() if c.enabled and hasattr(c.config, "pace")}


@dataclass(frozen=True)
class Receivers:
    """Where answers go."""

    engine: Engine
    intakes: Intakes

    def deliver(self, source: str, pulled: Pulled, checkpoint: bytes) -> None:
        """Hands on everything that a source brought. What is told again replaces what was told, so a delivery that
        breaks off is repeated as a whole. SourceUnavailable, Overloaded and StoreError as `app.runner.asking` says."""
        spans.deliver(pulled, source, self.intakes)
        if pulled.instances is not None:
            self.engine.parts.registry.take(source, pulled.instances, self.engine.parts.clock())
        if pulled.changes:
            self.engine.note_changes(pulled.changes)
        if pulled.lines:
            self.engine.note_lines(source, pulled.lines)
        if not self.engine.asked.offer(delivery(source, pulled.readings, checkpoint, pulled.partial)):
            raise Overloaded("what the source told was not counted in time", 10)


def build(collector: Collector, name: str, context: Context) -> Puller:
    """The puller of a collector; only its own module is loaded."""
    puller: Puller = import_module(f"collectors.{collector.kind}.source").build(collector.config, name, context)
    return puller


def sources(settings: Settings, to: Receivers, identify: Identify) -> list[Source]:
    """Every source that is asked, not yet started."""
    parts = to.engine.parts
    context = Context(settings.environment, parts.ladder, parts.mask, parts.clock, identify,
                      to.engine.trace_lines.operations)

    def stored(name: str) -> Callable[[], bytes | None]:
        return lambda: parts.store.checkpoints().get(CHECKPOINT + name)

    return [Source(Asking(name, c.kind, build(c, name, context), c.config.pace, to.deliver, stored(name),
                          c.kind not in OF_NOW, context.clock)) for name, c in asked(settings).items()]
