"""What the product counted, asked for by the names a test uses, and the two spans most tests begin with."""

from __future__ import annotations

from pairing_run import Counted
from plain_spans import CLIENT, SERVER
from span_writing import SECOND, Made

from topology.model import EdgeKey, OperationKey, SeriesKey, Side
from topology.rollup import COUNTS

QUEUE = {"messaging.system": "kafka", "messaging.destination.name": "orders"}
DATABASE = {"db.system.name": "postgresql", "db.namespace": "accounts", "server.address": "db-1"}


class Result:
    """Figures by the names of a test: `calls("shop", "pay")`, `calls("pay")`."""

    def __init__(self, counted: Counted) -> None:
        self.figures = counted.finish()
        self.counters = counted.pairing.counters()

    def sum(self, column: str, *ends: str, **wanted: object) -> float:
        """A count over all windows: of the path between two services, or of the work of one."""
        return sum(float(cell["counts"][COUNTS.index(column)])  # type: ignore[index]
                   for (key, _), cell in self.figures.items() if _means(key, ends, wanted))

    def calls(self, *ends: str, **wanted: object) -> float:
        """How many calls."""
        return self.sum("calls", *ends, **wanted)

    def edges(self) -> set[tuple[str, str]]:
        """The paths with calls, by the names of their ends."""
        return {(key.caller.name, key.callee.name) for key, _ in self.figures if isinstance(key, EdgeKey)}

    def windows(self, *ends: str, **wanted: object) -> list[int]:
        """The windows in which a series was counted."""
        return sorted(start for key, start in self.figures if _means(key, ends, wanted))

    def keys(self, *ends: str, **wanted: object) -> list[SeriesKey]:
        """The series of a path or of a service's work."""
        return [key for key, _ in self.figures if _means(key, ends, wanted)]


def _means(key: SeriesKey, ends: tuple[str, ...], wanted: dict[str, object]) -> bool:
    usual: dict[str, object] = {"type": EdgeKey, "side": Side.CLIENT} if len(ends) == 2 else {"type": OperationKey}
    wanted = usual | wanted
    if type(key) is not wanted.pop("type"):
        return False
    names = (key.caller.name, key.callee.name) if isinstance(key, EdgeKey) else (key.service.name,)
    return names == ends and all(getattr(key, name) == value for name, value in wanted.items())


def counted(*spans: Made, **how: object) -> Result:
    """The spans in one request."""
    return Result(Counted(**how).take(spans))  # type: ignore[arg-type]


def arriving(*deliveries: tuple[float, Made], **how: object) -> Result:
    """Each span in a request of its own, some seconds after the start."""
    run = Counted(**how)  # type: ignore[arg-type]
    for after_s, span in deliveries:
        run.take([span], int(after_s * SECOND))
    return Result(run)


def client(**more: object) -> Made:
    """A client of `shop`."""
    return Made(**{"service": "shop", "id": 1, "kind": CLIENT, "took": 100, **more})  # type: ignore[arg-type]


def server(**more: object) -> Made:
    """The server of `pay` that the client called."""
    return Made(**{"service": "pay", "id": 2, "parent": 1, "kind": SERVER, "took": 60, **more})  # type: ignore[arg-type]
