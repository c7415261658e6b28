"""The spans that a source brings when it is asked go into its intake, a page at a time."""

from __future__ import annotations

from app.intakes import Intakes
from collectors.contract import Pulled


def deliver(pulled: Pulled, source: str, intakes: Intakes) -> int:
    """Takes the spans of a pull as they come; returns, when they would survive a crash of the process, how many pages
    there were. `faults` and `partial` of the pull are whole then.

    SourceUnavailable when the source broke off, Overloaded and OSError when the journal takes no more: what came
    before that is counted, and is left out when the same minutes are read again.
    """
    if source not in intakes:
        return 0
    intake, last, pages = intakes.of(source), 0, 0
    for body in pulled.spans:
        last = intake.take_pulled(body).ticket
        pages += 1
    intake.settle(last)
    intake.read()
    return pages
