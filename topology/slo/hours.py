"""What must be remembered beside the rollups: how many slices and minutes were good in each hour of the past.

A slice is worked out from minutes. The store keeps those for a week and hours after that, so the slices of older time
would be lost with a restart. Their hourly counts are kept as one checkpoint, written with the rollups it goes with.
"""

from __future__ import annotations

import json
import zlib

import numpy as np
import numpy.typing as npt

from topology.errors import MalformedInput
from topology.slo.grid import HOUR_S
from topology.slo.incidence import Amounts
from topology.slo.ledger import Ledger
from topology.slo.plan import PairRows

VERSION = 1


def remember(ledger: Ledger) -> bytes:
    """The counts of every hour of all that was worked out: a line of JSON, then hours x (good, total) of each as
    float64, compressed. Empty when there is nothing."""
    out = _worked_out(ledger)
    if not out:
        return b""
    first_s, hours = ledger.grid.hours()
    rows = np.array(list(out.values()), np.int64)[:, :2].reshape(-1)
    head = {"version": VERSION, "first_s": first_s, "hours": len(hours), "names": list(out)}
    return zlib.compress(json.dumps(head).encode() + b"\n" + np.ascontiguousarray(hours[:, rows]).tobytes(), 1)


def restore(ledger: Ledger, remembered: bytes) -> None:
    """Adds what `remember` gave for the hours of which a ledger has nothing. MalformedInput when it is anything else;
    what was defined otherwise than now is left out."""
    if not remembered:
        return
    first_s, names, hours = _read(remembered)
    own_first_s, own = ledger.grid.hours()
    skip = max(0, (own_first_s - first_s) // HOUR_S)
    shift = (first_s - own_first_s) // HOUR_S
    out = _worked_out(ledger)
    for number, name in enumerate(names):
        for column, row in enumerate(out[name][:2] if name in out else ()):
            _put(ledger, row, hours[skip : len(own) - shift, 2 * number + column], own[skip + shift :, row],
                 first_s + skip * HOUR_S)


def _put(ledger: Ledger, row: int, counts: npt.NDArray[np.float64], own: npt.NDArray[np.float64], first_s: int) -> None:
    new = np.flatnonzero((counts != 0) & (own[: len(counts)] == 0))
    ledger.grid.add(Amounts(first_s + new * HOUR_S, np.full(len(new), row, np.int64), counts[new]))


def _read(remembered: bytes) -> tuple[int, list[str], npt.NDArray[np.float64]]:
    try:
        head, _, body = zlib.decompress(remembered).partition(b"\n")
        told = json.loads(head)
        if told["version"] != VERSION:
            raise MalformedInput(f"slices of version {told['version']!r}; this is version {VERSION}")
        hours = np.frombuffer(body, np.float64).reshape(told["hours"], 2 * len(told["names"]))
        return int(told["first_s"]), list(told["names"]), hours
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise MalformedInput(f"these are no remembered slices: {error!r}") from error


def _worked_out(ledger: Ledger) -> dict[str, PairRows]:
    figures = {one.name: one.out for one in ledger.plan.figures}
    return figures | {one.name: one.out for one in ledger.plan.slices}
