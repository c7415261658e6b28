"""What a reading of a SkyWalking OAP says, in the words of the graph that was sent."""

from __future__ import annotations

from known_segments import Calls, End

from collectors.contract import Reading, Row
from topology.model import EdgeKey, InstanceKey, OperationKey, Service, Side
from topology.rollup import CALLS, ERRORS, TOTAL


def paths(reading: Reading) -> dict[tuple[End, End], Calls]:
    """Calls, errors and mean milliseconds at both ends of every path."""
    found = {}
    server = _sides(reading, Side.SERVER)
    for ends, row in _sides(reading, Side.CLIENT).items():
        found[ends] = Calls(*_counts(row), mean_ms(row), mean_ms(server.get(ends)))
    return found


def answered(reading: Reading) -> dict[str, tuple[int, int]]:
    """Calls and errors of every service."""
    return {row.key.service.name: _counts(row) for row in reading.rows
            if isinstance(row.key, OperationKey) and not row.key.part}


def endpoints(reading: Reading) -> dict[tuple[str, str], tuple[int, int]]:
    """Calls and errors of every endpoint, by service and name."""
    return {(row.key.service.name, row.key.operation): _counts(row) for row in reading.rows
            if isinstance(row.key, OperationKey) and row.key.part}


def instances(reading: Reading) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    """Calls and errors of every instance, by service, zone, name and version."""
    return {(row.key.service.name, row.key.zone, row.key.instance, row.key.version): _counts(row)
            for row in reading.rows if isinstance(row.key, InstanceKey)}


def mean_ms(row: Row | None) -> int | None:
    """The mean of a row's latencies in whole milliseconds; None when nothing was timed."""
    timed = sum(row.buckets.values()) if row else 0
    return round(row.counts[TOTAL] / timed / 1000) if row and timed else None


def _sides(reading: Reading, side: Side) -> dict[tuple[End, End], Row]:
    rows = [(_ends(row.key), row) for row in reading.rows if isinstance(row.key, EdgeKey) and row.key.side is side]
    assert len(dict(rows)) == len(rows), "a path is said twice"
    return dict(rows)


def _counts(row: Row) -> tuple[int, int]:
    return int(row.counts[CALLS]), int(row.counts[ERRORS])


def _ends(key: EdgeKey) -> tuple[End, End]:
    def end(service: Service) -> End:
        return service.name, str(service.kind)

    return end(key.caller), end(key.callee)
