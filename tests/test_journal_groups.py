"""The log that waits for the disk: groups, the block at its end, memory that is full, disks that are full or fail."""

import errno
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine_run import Run
from test_journal import NOW_S, SEGMENT, body, filled, journal, sync, tickets, without_direct_writes
from traffic import SECOND, call, request

from topology.errors import Overloaded
from topology.journal import HEADER, Journal
from topology.journal.writing import BLOCK, GATHERED_BYTES

__all__ = ["sync"]
WRITE = os.pwritev
FIRST = 3 * BLOCK
Written = tuple[int, bytes]


def fails(number: int) -> Callable[..., int]:
    """A `pwritev` of a disk that answers with this error."""

    def write(*_: object) -> int:
        raise OSError(number, "broken")

    return write


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[Written]:
    """Every write that was done: where, and what."""
    done: list[Written] = []

    def write(file: int, parts: tuple[bytes, ...], at: int, flags: int = 0) -> int:
        assert flags == os.RWF_DSYNC, "a group is on disk when it is written"
        done.append((at, b"".join(bytes(part) for part in parts)))
        return WRITE(file, parts, at, flags)

    monkeypatch.setattr(os, "pwritev", write)
    return done


class HeldDisk:
    """A disk that does nothing before it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.go, self.writes = threading.Event(), threading.Event(), 0
        monkeypatch.setattr(os, "pwritev", self._write)

    def _write(self, *arguments: object) -> int:
        self.writes += 1
        self.entered.set()
        assert self.go.wait(20)
        return WRITE(*arguments)  # type: ignore[arg-type]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[HeldDisk, Journal, threading.Thread]]:
    """A log whose first group is held by the disk: ticket 1 waits in a thread of its own."""
    log = journal(tmp_path, sync=True)
    held = HeldDisk(monkeypatch)
    log.append(0, 1, body(1, FIRST))
    waiting = threading.Thread(target=log.settle, args=(1,))
    waiting.start()
    assert held.entered.wait(5)
    yield held, log, waiting
    held.go.set()
    waiting.join(5)


def after_a_crash(directory: Path, into: Path) -> list[int]:
    """The tickets a next life finds if this one ended now."""
    shutil.copytree(directory, into)
    found = tickets(journal(into))
    shutil.rmtree(into)
    return found


def test_settled_is_in_the_file(tmp_path, sync):
    """Whatever is settled is found by a life that begins while this one still runs, whatever the sizes."""
    rng = random.Random(1)
    log = journal(tmp_path / "log", sync=sync)
    for number in range(1, 200):
        log.append(0, 1, body(number, rng.choice([8, 500, 4056, 4096, 9000])))
        if rng.random() < 0.3:
            log.settle(number)
            assert after_a_crash(tmp_path / "log", tmp_path / "copy")[:number] == list(range(1, number + 1))


def test_last_block_is_written_again_with_the_same_bytes(tmp_path, writes):
    """Groups are whole blocks, each begins with the last block of the one before, and a record that was settled is
    only ever written over with itself."""
    log = journal(tmp_path, sync=True, segment_bytes=1 << 20)
    if not log._writer._direct:
        pytest.skip("this file system takes no direct writes")
    writes.clear()
    settled, used = bytearray(), 0
    for number in range(1, 60):
        size = random.Random(number).randrange(8, 6000)
        log.append(0, 1, body(number, size))
        log.settle(number)
        at, written = writes[-1]
        assert (at, at % BLOCK, len(written) % BLOCK) == (used - used % BLOCK, 0, 0)
        assert written.startswith(bytes(settled[at:used]))
        used += HEADER.size + size
        settled[at:] = written[: used - at]
        assert not any(written[used - at :])
    assert len(writes) == 59


def test_torn_rewrite_of_the_last_block_harms_nothing_settled(tmp_path, writes):
    """Of every write any sectors may be missing after a power cut: what was settled before it is read all the same."""
    log, rng = journal(tmp_path / "log", sync=True, segment_bytes=1 << 20), random.Random(3)
    path = tmp_path / "torn" / f"{1:020d}.log"
    path.parent.mkdir()
    before = b""
    for number in range(1, 40):
        log.append(0, 1, body(number, rng.randrange(8, 3000)))
        log.settle(number)
        at, written = writes[-1]
        torn = bytearray(before.ljust(at + len(written), b"\0"))
        for sector in range(0, len(written), 512):
            if rng.random() < 0.5:
                torn[at + sector : at + sector + 512] = written[sector : sector + 512]
        path.write_bytes(torn)
        assert tickets(journal(path.parent))[: number - 1] == list(range(1, number))
        before = before[:at] + written


def test_one_write_serves_all_who_wait(disk):
    """Requests that arrive while the disk is busy share the next write: group commit."""
    held, log, _ = disk
    others = [log.append(0, 1, b"more") for _ in range(20)]
    threads = [threading.Thread(target=log.settle, args=(ticket,)) for ticket in others]
    for thread in threads:
        thread.start()
    held.go.set()
    for thread in threads:
        thread.join(5)
    assert held.writes == 2


def test_requests_are_taken_and_read_while_the_disk_is_busy(disk, tmp_path):
    """An append does not wait for the write under way, and what is being written or waits for it can be fetched."""
    held, log, waiting = disk
    for number in range(2, 22):
        assert log.append(0, 1, body(number, 2000)) == number
    told = [body(1, FIRST), *(body(number, 2000) for number in range(2, 22))]
    assert [log.body(number) for number in range(1, 22)] == told
    assert log.body(7, 6, 4) == told[6][6:10]
    assert waiting.is_alive()
    held.go.set()
    log.settle(21)
    assert [log.body(number) for number in range(1, 22)] == told
    assert after_a_crash(tmp_path, tmp_path.parent / "copy") == list(range(1, 22))


def test_full_memory_is_overloaded_and_bounded(tmp_path, monkeypatch):
    """A disk that stands still is told as Overloaded once the memory is full, with nothing taken; when it goes on, so
    does the log."""
    monkeypatch.setattr("topology.journal.log.MOST_WAIT_S", 0.05)
    log, large = journal(tmp_path, sync=True, segment_bytes=8 * GATHERED_BYTES), GATHERED_BYTES // 8
    log.append(0, 1, body(1, large))
    held = HeldDisk(monkeypatch)
    waiting = threading.Thread(target=log.settle, args=(1,))
    waiting.start()
    assert held.entered.wait(5)
    while log._writer.fits(HEADER.size + large):
        log.append(0, 1, body(log.last + 1, large))
    assert 5 < log.last < 12
    for _ in range(2):
        with pytest.raises(Overloaded):
            log.append(0, 1, body(20, large))
    held.go.set()
    waiting.join(5)
    last = log.last
    assert log.append(0, 1, body(last + 1, large)) == last + 1
    assert tickets(log) == list(range(1, last + 2))


def test_request_larger_than_the_memory_is_taken(tmp_path, sync):
    """A request that fits into no group is written like any other, and the memory for it is given back."""
    log = journal(tmp_path, sync=sync, segment_bytes=4 * GATHERED_BYTES)
    for size in (100, GATHERED_BYTES, GATHERED_BYTES - HEADER.size, 2 * GATHERED_BYTES, 100):
        number = log.append(0, 1, body(log.last + 1, size))
        assert log.body(number) == body(number, size)
    log.settle(5)
    assert tickets(log) == [1, 2, 3, 4, 5]
    if sync:
        assert {len(log._writer._gathered.memory), len(log._writer._spare)} == {GATHERED_BYTES}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk_is_overloaded_and_heals(tmp_path, monkeypatch, number):
    """A full disk is told as Overloaded to who waits; nothing more is taken before what waits is written; with room
    everything that got a ticket is in the log."""
    log = filled(tmp_path, 5, sync=True)
    log.settle(5)
    log.append(0, 1, body(6))
    monkeypatch.setattr(os, "pwritev", fails(number))
    with pytest.raises(Overloaded) as refused:
        log.settle(6)
    assert refused.value.retry_after_s > 0
    with pytest.raises(Overloaded):
        log.append(0, 1, body(7))
    monkeypatch.setattr(os, "pwritev", lambda file, parts, at, flags: WRITE(file, parts, at, flags) - 1)
    for _ in range(2):
        with pytest.raises(Overloaded):
            log.append(0, 1, body(7))
    assert log.body(6) == body(6)
    monkeypatch.setattr(os, "pwritev", WRITE)
    assert log.append(0, 1, body(7)) == 7
    log.settle(7)
    assert after_a_crash(tmp_path, tmp_path.parent / "copy") == list(range(1, 8))


@pytest.mark.parametrize("opening", [os.open, without_direct_writes])
def test_failed_write_is_told_to_everyone_it_concerns_and_later_requests_are_safe(tmp_path, monkeypatch, opening):
    """After the disk failed under a request no settle of it ever succeeds, not even after a second failure; what is
    appended later goes to another segment and settles; what is doubtful is not shown."""
    monkeypatch.setattr(os, "open", opening)
    log = journal(tmp_path, sync=True)
    log.settle(log.append(0, 1, body(1)))
    for safe in (4, 7):
        doubtful = [log.append(0, 1, b"doubtful"), log.append(0, 1, b"doubtful too")]
        monkeypatch.setattr(os, "pwritev", fails(errno.EIO))
        with pytest.raises(OSError, match="broken"):
            log.settle(doubtful[0])
        monkeypatch.setattr(os, "pwritev", WRITE)
        log.settle(log.append(0, 1, body(safe)))
        for ticket in (2, 3, *doubtful):
            with pytest.raises(OSError, match="disk failed"):
                log.settle(ticket)
            assert log.body(ticket) is None
    assert tickets(log) == [1, 4, 7]
    assert len(list(tmp_path.glob("*.log"))) == 3
    log.drop(7, NOW_S)
    assert log._unsafe == []


def test_request_that_meets_the_failure_is_refused(tmp_path, monkeypatch):
    """A request that comes to a file under which the disk has just failed gets no ticket of it; the next one is
    safe."""
    log = journal(tmp_path, sync=True)
    log.append(0, 1, body(1))
    put = log._writer.put

    def put_late(*arguments: object) -> None:
        monkeypatch.setattr(os, "pwritev", fails(errno.EIO))
        with pytest.raises(OSError, match="broken"):
            log.settle(1)
        monkeypatch.setattr(os, "pwritev", WRITE)
        put(*arguments)

    monkeypatch.setattr(log._writer, "put", put_late)
    with pytest.raises(OSError, match="disk failed"):
        log.append(0, 1, body(2))
    monkeypatch.setattr(log._writer, "put", put)
    log.settle(log.append(0, 1, body(2)))
    assert tickets(log) == [2]


def test_old_records_of_a_recycled_segment_are_never_read(tmp_path, sync):
    """Records of one size lie at the same places in every use of a file; at no moment does a crash show an old one."""
    log = filled(tmp_path / "log", 150, sync=sync)
    log.drop(131, NOW_S)
    assert list((tmp_path / "log").glob("*.spare"))
    number, first = 150, log.last
    while number < 290:
        number = log.append(0, 1, body(number + 1))
        if number % 7 == 0:
            log.settle(number)
            found = after_a_crash(tmp_path / "log", tmp_path / "copy")
            assert found[-1] == number
            assert found[-(number - first) :] == list(range(first + 1, number + 1))


def test_spare_segments_of_another_size_are_given_up(tmp_path, sync):
    """After a change of the segment size no file is used again that has less room than is promised, or more."""
    log = filled(tmp_path, 200, sync=sync)
    log.drop(190, NOW_S)
    assert len(list(tmp_path.glob("*.spare"))) > 1
    log.close()
    again = journal(tmp_path, sync=sync, segment_bytes=2 * SEGMENT)
    assert list(tmp_path.glob("*.spare")) == []
    while again.last < 400:
        again.append(0, 1, body(again.last + 1))
    newest = max(tmp_path.glob("*.log"))
    assert newest.stat().st_size == 2 * SEGMENT


def test_unread_end_of_an_earlier_life_never_comes_back(tmp_path, sync):
    """Behind a torn record whole ones may stand with the tickets the next life gives out: they stay dead although the
    new ones end exactly where they begin."""
    filled(tmp_path / "log", 20, sync=sync).close()
    path = tmp_path / "log" / f"{1:020d}.log"
    with path.open("r+b") as file:
        file.seek(10 * (HEADER.size + 1000) + 500)
        file.write(b"torn")
    log = journal(tmp_path / "log", sync=sync)
    assert log.append(0, 1, body(11)) == 11
    log.settle(11)
    assert after_a_crash(tmp_path / "log", tmp_path / "copy") == list(range(1, 12))


def test_either_way_of_writing_goes_on_where_the_other_ended(tmp_path, monkeypatch):
    """Direct writes, writes through the page cache and writes left to the system make the same files."""
    lives = [(True, os.open), (True, without_direct_writes), (False, os.open)] * 2
    for life, (waits, opening) in enumerate(lives):
        monkeypatch.setattr(os, "open", opening)
        log = journal(tmp_path, sync=waits)
        for number in range(life * 5 + 1, life * 5 + 6):
            assert log.append(0, 1, body(number, 700)) == number
        log.settle(log.last)
        log.close()
    assert tickets(journal(tmp_path)) == list(range(1, 31))
    assert len(list(tmp_path.glob("*.log"))) == 1


def test_file_system_without_direct_writes_is_found_out(tmp_path, monkeypatch):
    """Where direct writing is refused, when a file is opened or only when it is written, the page cache is used, and
    no probe stays behind."""
    probed = journal(tmp_path / "usual", sync=True)._writer
    monkeypatch.setattr(os, "open", without_direct_writes)
    assert not journal(tmp_path / "refuses to open", sync=True)._writer._direct
    monkeypatch.undo()
    monkeypatch.setattr(os, "pwritev", fails(errno.EINVAL))
    log = journal(tmp_path / "refuses to write", sync=True)
    monkeypatch.undo()
    assert (probed._block, log._writer._block) == (BLOCK if probed._direct else 1, 1)
    log.settle(log.append(0, 1, body(1)))
    assert tickets(log) == [1]
    assert list(tmp_path.rglob("*.probe")) == []


WRITER = """
import sys
from pathlib import Path
from topology.journal import Journal
log = Journal(Path(sys.argv[1]), sync=sys.argv[2] == "True", segment_bytes=1 << 18)
while True:
    number = log.last + 1
    log.append(1, number, number.to_bytes(8, "big").ljust(8 + number * 37 % 9000, b"x"))
    if number % 3 == 0:
        log.settle(number)
        print(number, flush=True)
"""


@pytest.mark.parametrize("waits", [True, False])
def test_acknowledged_records_outlive_a_kill(tmp_path, waits):
    """A process that is killed in the middle of its work leaves everything it acknowledged, in both settings, three
    lives in a row."""
    for life in range(3):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(waits)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent) as process:
            assert process.stdout is not None
            told = [process.stdout.readline() for _ in range(40 + life)]
            time.sleep(0.003 * life)
            process.kill()
            told += process.stdout.read().splitlines(keepends=True)
        acknowledged = int([line for line in told if line.endswith(b"\n")][-1])
        log = journal(tmp_path, segment_bytes=1 << 18)
        assert log.last >= acknowledged > 100 * (life + 1)
        assert tickets(log) == list(range(1, log.last + 1))
        log.close()


def test_store_never_counts_what_the_journal_has_not_got(tmp_path):
    """When counts are committed their requests are in the journal already, though no sender waited for them: a crash
    right after it would count the sender's next try again."""
    run = Run(tmp_path)
    run.journal.close()
    log = run.journal = run.intake._p.journal = Journal(tmp_path / "log", sync=True)
    commit, found = run.store.commit, []

    def committing(what: object) -> None:
        shutil.copytree(tmp_path / "log", tmp_path / f"copy{len(found)}")
        found.append((log.last, journal(tmp_path / f"copy{len(found)}").last))
        commit(what)  # type: ignore[arg-type]

    run.store.commit = committing  # type: ignore[method-assign]
    for seed in range(30):
        run.take(request(*call(random.Random(seed), run.clock.ns() - SECOND)))
        run.step(1)
    assert len(found) > 1
    assert all(taken == written > 0 for taken, written in found)
