"""The last hour is read from the store in parts when the product starts."""

import numpy as np
import pytest
from engine_run import NOW_S

from app.engine.past import recent
from topology.histogram import ladder
from topology.model import OperationKey, Service
from topology.rollup import SeriesTable, from_rows
from topology.store.contract import Commit, KeyedRollups
from topology.store.memory import MemoryStore
from topology.store.tiers import Retention, Tier


@pytest.mark.parametrize("moved", [0, 2400, 7200])
def test_last_hour_is_read_in_parts_and_each_window_once(moved):
    """Every count of the last hour is in exactly one part of ten minutes; where only minutes or hours are left, in one
    of those."""
    table, first_s = SeriesTable(), int(NOW_S) - 3600
    table.number(OperationKey(Service("prod", "", "orders"), "", "POST /orders"))
    rows = [(first_s + at, 0, [1.0, 0, 0, 0, 0, 0, 1.0], {3: 1.0}) for at in range(0, 3600, 10)]
    tiers = Retention((Tier(10, 1200), Tier(60, 2400), Tier(3600, 10**7)))
    store = MemoryStore(tiers)
    store.commit(Commit(KeyedRollups(from_rows(10, rows), table.keys, ladder())))
    store.compact(NOW_S + moved)
    parts = list(recent(store, ladder(), NOW_S, 3600))
    assert len(parts) >= 2 or moved
    assert sum(float(part.batch.counts[:, 0].sum()) for part in parts) == len(rows)
    assert max(int(np.ptp(part.batch.starts_s)) for part in parts if len(part.batch)) < 600 or moved
