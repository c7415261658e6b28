"""The intakes of all sources together: what the engine takes from them, and what it stores for them.

Every source that brings spans has an intake of its own, with its own journal and pairing: its series carry its name,
and however late its spans are, or however many, those that services send themselves are paired as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import structlog

from app.intake import CHECKPOINT, LINES, OTLP, Harvest, OtlpIntake
from app.remembered import PREFIX
from collectors.otlp.logs import LogLine
from topology.model import Service
from topology.rollup import RollupBatch, concatenate
from topology.store.contract import Example

_log = structlog.get_logger("synoptic.intakes")


@dataclass(frozen=True)
class Harvests:
    """Deltas of all sources since the last harvest, the checkpoints that are true once they are committed, and what
    spans said of sampling (`Naming.thresholds`)."""

    batch: RollupBatch
    checkpoints: Mapping[str, bytes]
    thresholds: Mapping[Service, int]
    parts: Mapping[str, Harvest]


class Intakes:
    """One intake a source; `own` is that of the services that send spans themselves. Thread-safe."""

    def __init__(self, own: OtlpIntake, others: Mapping[str, OtlpIntake] | None = None) -> None:
        self.own = own
        self._of: dict[str, OtlpIntake] = {OTLP: own, **(others or {})}

    def of(self, source: str) -> OtlpIntake:
        """The intake of a source by its name in the configuration; KeyError for one that brings no spans."""
        return self._of[source]

    def __contains__(self, source: str) -> bool:
        return source in self._of

    def __iter__(self) -> Iterator[OtlpIntake]:
        return iter(self._of.values())

    def harvest(self) -> Harvests:
        """Everything counted since the last harvest."""
        parts = {source: intake.harvest() for source, intake in self._of.items()}
        checkpoints: dict[str, bytes] = {}
        thresholds: dict[Service, int] = {}
        for source, part in parts.items():
            checkpoints |= {_name(CHECKPOINT, source): part.checkpoint, **part.read}
            for service, said in part.thresholds.items():
                thresholds[service] = thresholds.get(service, 0) | said
        return Harvests(concatenate([part.batch for part in parts.values()]), checkpoints, thresholds, parts)

    def settle(self, harvest: Harvests) -> None:
        """What the store counts must be in the journal: after a crash the sender's next try would count it again.
        Overloaded when a disk is full."""
        for source, part in harvest.parts.items():
            try:
                self._of[source].settle(part.counted)
            except OSError as error:
                _log.error("the disk failed under requests that are counted and were not acknowledged", source=source,
                           why=str(error))

    def committed(self, harvest: Harvests) -> None:
        """What was harvested is stored."""
        for source, part in harvest.parts.items():
            self._of[source].committed(part)

    def recover(self, checkpoints: Mapping[str, bytes]) -> int:
        """Brings back every source from its journal; returns how many requests were counted anew."""
        counted = 0
        for source, intake in self._of.items():
            read = {name: kept for name, kept in checkpoints.items() if name.startswith(f"{PREFIX}{source}:")}
            content, lines = (checkpoints.get(_name(kind, source)) for kind in (CHECKPOINT, LINES))
            counted += intake.recover(content, lines or b"[]", read)
        return counted

    def lines_contents(self) -> dict[str, bytes]:
        """The newest error lines of every source as they are kept over a restart, by the name of the checkpoint."""
        return {_name(LINES, source): intake.lines_content() for source, intake in self._of.items()}

    def lines(self) -> list[LogLine]:
        """The newest error lines of every service."""
        return [line for intake in self for line in intake.lines()]

    def examples(self, now_s: float, mask: Callable[[str], str]) -> list[Example]:
        """Traces worth keeping, see `OtlpIntake.examples`."""
        return [example for intake in self for example in intake.examples(now_s, mask)]

    def quality(self) -> dict[str, int]:
        """The counters of all sources, added up."""
        summed: dict[str, int] = {}
        for intake in self:
            for name, value in intake.quality().items():
                summed[name] = summed.get(name, 0) + value
        return summed

    def newest_end_s(self) -> float:
        """When the newest span counted so far ended, epoch seconds; 0 before the first."""
        return max(intake.newest_end_s() for intake in self)

    @property
    def crowded(self) -> bool:
        """Whether a pairing nears the bound on series: time for `renew`."""
        return any(intake.crowded for intake in self)

    def paused(self) -> AbstractContextManager[object]:
        """Nothing is taken while this context lasts; the thread that holds it may harvest and renew."""
        pauses = ExitStack()
        for intake in self:
            pauses.enter_context(intake.paused())
        return pauses

    def renew(self) -> None:
        """Lets every pairing forget series that are long quiet, see `OtlpIntake.renew`."""
        for intake in self:
            intake.renew()

    def forget_names(self) -> None:
        """Learns every name again, and with it who sends what."""
        for intake in self:
            intake.forget_names()

    def close(self) -> None:
        """Ends the use of every journal."""
        for intake in self:
            intake.close()


def _name(kind: str, source: str) -> str:
    return kind if source == OTLP else f"{kind}:{source}"
