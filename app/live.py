"""Sources asked once, for a person who sets them up: what answers, how it is read, and what is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from app.runner.wiring import asked, build
from app.settings import Settings
from collectors.contract import MINUTE_S, Context, Puller
from topology.errors import SourceUnavailable
from topology.histogram import ladder
from topology.masking import Masker, Rule

AGO_S = 120
"""The minute that is asked for ended so long ago that a slow source has it."""


def tell(settings: Settings, say: Callable[[str], None]) -> bool:
    """Asks every source that is on and is asked, and says what it answered, masked; whether all of them did."""
    mask = Masker(Rule(rule.name, rule.pattern, rule.replacement) for rule in settings.masking.rules)
    context = Context(settings.environment, ladder(()), mask, time.time)
    good = True
    for name, collector in asked(settings).items():
        say(f"{name} ({collector.kind}):")
        puller = build(collector, name, context)
        try:
            for line in _told(puller):
                say(f"  {line}")
        except SourceUnavailable as error:
            say(f"  cannot be asked: {error}")
            good = False
        finally:
            puller.close()
    return good


def _told(puller: Puller) -> Iterator[str]:
    inspect = getattr(puller, "inspect", None)
    if inspect is not None:
        yield from inspect()
        return
    start_s = int(time.time() - AGO_S) // MINUTE_S * MINUTE_S
    pulled = puller.pull(start_s, start_s + MINUTE_S)
    rows = sum(len(reading.rows) for reading in pulled.readings)
    pages = sum(1 for _ in pulled.spans)
    yield f"answers: {rows} series and {pages} pages of spans in the minute before the last"
    yield from (f"but: {fault}" for fault in pulled.faults)
