"""Files of the log that wait to be used again: for how long, how many, and which of them is next."""

import os
from pathlib import Path

import pytest
from test_journal import NOW_S, SEGMENT, body, filled, journal, sync

from topology.journal.spares import KEPT_S

__all__ = ["sync"]


def spares(directory: Path) -> list[Path]:
    """The spare files, the one that was needed first at the beginning."""
    return sorted(directory.glob("*.spare"))


def test_spare_file_is_deleted_when_nothing_needed_it_for_ten_minutes(tmp_path, sync):
    """Requests that nothing needs any more lie about for ten minutes at most, although the room is wanted back."""
    log = filled(tmp_path, 200, sync=sync)
    log.drop(190, NOW_S)
    found = spares(tmp_path)
    assert len(found) == 3
    log.drop(190, NOW_S + KEPT_S)
    assert spares(tmp_path) == found
    log.drop(190, NOW_S + KEPT_S + 0.1)
    assert spares(tmp_path) == []


def test_file_that_was_needed_last_is_used_first(tmp_path, sync):
    """So those that nobody needs grow old."""
    log = filled(tmp_path, 300, sync=sync)
    log.drop(100, NOW_S)
    (older,) = spares(tmp_path)
    log.drop(290, NOW_S + 500)
    assert len(spares(tmp_path)) > 1
    while len(spares(tmp_path)) > 1:
        log.append(0, 1, body(log.last + 1))
    assert spares(tmp_path) == [older]


@pytest.mark.parametrize("ages_s", [(0, 5, 9), (9, 5, 0), (5, 0, 9)])
def test_spare_file_of_an_earlier_life_is_as_old_as_its_last_write(tmp_path, sync, ages_s):
    """A stop does not make a spare file young again, in whatever order they are found."""
    filled(tmp_path, 200, sync=sync).drop(190, NOW_S)
    found = dict(zip(spares(tmp_path), ages_s, strict=True))
    for path, age_s in found.items():
        os.utime(path, (NOW_S - age_s, NOW_S - age_s))
    again = journal(tmp_path, sync=sync)
    again.drop(0, NOW_S + KEPT_S - 7)
    assert spares(tmp_path) == [path for path, age_s in found.items() if age_s < 9]
    again.drop(0, NOW_S + KEPT_S - 2)
    assert spares(tmp_path) == [path for path, age_s in found.items() if age_s == 0]


def test_files_in_use_and_spare_files_stay_within_the_bound(tmp_path, sync):
    """What a burst needed is kept, but never more than the log may take of the disk."""
    log = journal(tmp_path, sync=sync, max_bytes=4 * SEGMENT)
    for number in range(1, 1001):
        log.append(0, 1, body(number))
        if number % 150 == 0:
            log.drop(number, NOW_S)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4 * SEGMENT
    log.close()
    fewer = journal(tmp_path, sync=sync, max_bytes=2 * SEGMENT)
    assert len(list(tmp_path.iterdir())) <= 2
    assert fewer.last == 1000
