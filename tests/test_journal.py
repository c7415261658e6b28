"""The log by itself: order, checksums, torn ends, recycled segments, bounds, many threads, failing disks."""

import errno
import os
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topology.errors import Overloaded
from topology.journal import HEADER, Journal, checksum

SEGMENT = 1 << 16
NOW_S = 1_000.0
OPEN = os.open


def without_direct_writes(path: Path, flags: int, mode: int = 0o777, **others: int | None) -> int:
    """`os.open` as a file system answers that knows no direct writes."""
    if flags & os.O_DIRECT:
        raise OSError(errno.EINVAL, "no direct writes here")
    return OPEN(path, flags, mode, **others)


@pytest.fixture(params=["left to the system", "in groups", "in groups through the page cache"])
def sync(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Every way to write the log; whether it waits for the disk."""
    if "page cache" in request.param:
        monkeypatch.setattr(os, "open", without_direct_writes)
    return request.param != "left to the system"


def journal(directory: Path, **options: object) -> Journal:
    """A log of small segments."""
    return Journal(directory, **{"segment_bytes": SEGMENT, "sync": False, **options})  # type: ignore[arg-type]


def filled(directory: Path, records: int = 100, size: int = 1000, **options: object) -> Journal:
    """A log with so many records: the body of ticket n begins with n."""
    log = journal(directory, **options)
    for number in range(1, records + 1):
        assert log.append(number % 3, number * 10, body(number, size)) == number
    return log


def body(number: int, size: int = 1000) -> bytes:
    """What the record with this ticket holds."""
    return number.to_bytes(8, "big").ljust(size, b"x")


def tickets(log: Journal, first: int = 0) -> list[int]:
    """The tickets that are read back, each with its own body."""
    records = list(log.read(first))
    assert all(record.body == body(record.ticket, len(record.body)) for record in records)
    return [record.ticket for record in records]


def test_records_come_back_whole_and_in_order(tmp_path, sync):
    """What was appended is read back in order, with its signal, its arrival and its bytes, also by the next life."""
    filled(tmp_path, sync=sync).close()
    again = journal(tmp_path, sync=sync)
    assert tickets(again) == list(range(1, 101))
    assert [(r.signal, r.arrival_ns) for r in again.read(99)] == [(0, 990), (1, 1000)]
    assert again.last == 100
    assert again.append(0, 1, b"next") == 101


def test_body_of_any_ticket_is_found(tmp_path, sync):
    """One request can be fetched by its ticket from any segment; one that was never written is None."""
    log = filled(tmp_path, sync=sync)
    assert [log.body(number) for number in (1, 64, 65, 100)] == [body(number) for number in (1, 64, 65, 100)]
    assert log.body(101) is None


@pytest.mark.parametrize("cut", [1, HEADER.size - 1, HEADER.size + 5, 1000])
def test_torn_last_record_is_cut(tmp_path, cut, sync):
    """A record of which a part is missing is as if it had never been; all before it stay, and writing goes on."""
    filled(tmp_path, 10, sync=sync).close()
    newest = max(tmp_path.glob("*.log"))
    used = 10 * (HEADER.size + 1000)
    os.truncate(newest, used - cut)
    log = journal(tmp_path, sync=sync)
    assert tickets(log) == list(range(1, 10))
    assert log.append(0, 1, body(10)) == 10
    log.close()
    assert tickets(journal(tmp_path, sync=sync)) == list(range(1, 11))


def test_garbage_after_the_end_is_cut(tmp_path, sync):
    """Whatever bytes stand after the last record, even a copy of an earlier one, are never read as a request."""
    filled(tmp_path, 10, sync=sync).close()
    newest = max(tmp_path.glob("*.log"))
    record = newest.read_bytes()[: HEADER.size + 1000]
    for garbage in (os.urandom(5000), record, b"\0" * 9000):
        with newest.open("r+b") as file:
            file.seek(10 * len(record))
            file.write(garbage)
        log = journal(tmp_path, sync=sync)
        assert tickets(log) == list(range(1, 11))
        log.close()


def test_changed_byte_ends_the_segment_and_no_other(tmp_path, sync):
    """A flipped bit makes its record and the rest of its segment unreadable; the segments after it are kept."""
    filled(tmp_path, 200, sync=sync).close()
    first = min(tmp_path.glob("*.log"))
    with first.open("r+b") as file:
        file.seek(20 * (HEADER.size + 1000) + 500)
        file.write(b"!")
    kept = tickets(journal(tmp_path, sync=sync))
    second = int(sorted(tmp_path.glob("*.log"))[1].stem)
    assert kept == [*range(1, 21), *range(second, 201)]


def test_checksum_depends_on_the_ticket():
    """The same bytes have another checksum under another ticket, so an old record never passes for a new one."""
    assert checksum(b"same", 1) != checksum(b"same", 2)
    assert checksum(b"x" * 100, 1) != checksum(b"x" * 99 + b"y", 1)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=600), st.data())
def test_checksum_tells_a_changed_bit_a_missing_byte_and_blocks_in_another_order(content, data):
    """What a torn write or an old use of the file leaves behind differs in one of these."""
    where, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    changed = bytearray(content)
    changed[where] ^= 1 << bit
    assert checksum(bytes(changed), 1) != checksum(content, 1)
    assert checksum(content[:-1], 1) != checksum(content, 1)
    blocks = [content[at : at + 64] for at in range(0, len(content), 64)]
    turned = b"".join(reversed(blocks))
    assert turned == content or checksum(turned, 1) != checksum(content, 1)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 1000])
def test_checksum_is_that_of_the_bytes_wherever_they_are(size):
    """In memory that may be written, that may not, and in the midst of other bytes."""
    content = os.urandom(size)
    held = memoryview(bytearray(b"abc" + content + b"def"))
    views = [held[3 : 3 + size], held.toreadonly()[3 : 3 + size], memoryview(content)]
    assert {checksum(view, 7) for view in views} == {checksum(content, 7)}


def test_dropped_segments_are_used_again_and_their_old_records_stay_dead(tmp_path, sync):
    """After dropping, the log stays small, a recycled file shows only what was written into it since, and what is
    still needed is there."""
    log = filled(tmp_path, 150, sync=sync)
    log.drop(131, NOW_S)
    assert min(tickets(log)) <= 131
    assert list(tmp_path.glob("*.spare"))
    for number in range(151, 221):
        log.append(0, 1, body(number))
    log.close()
    assert max(tickets(journal(tmp_path, sync=sync))) == 220
    assert tickets(journal(tmp_path, sync=sync), 151) == list(range(151, 221))


def test_log_stays_bounded_while_it_is_dropped(tmp_path, sync):
    """However much goes through, a log whose records are dropped in time takes a few segments."""
    log = journal(tmp_path, sync=sync)
    for number in range(1, 2001):
        log.append(0, 1, body(number))
        log.drop(number - 50, NOW_S)
    assert log.bytes_used < 4 * SEGMENT
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 7 * SEGMENT


def test_full_log_refuses_and_recovers(tmp_path, sync):
    """At its bound the log answers Overloaded with a time to come back, writes nothing, and goes on after a drop."""
    log = journal(tmp_path, sync=sync, max_bytes=2 * SEGMENT)
    for number in range(1, 2 * (SEGMENT // (HEADER.size + 1000)) + 1):
        log.append(0, 1, body(number))
    with pytest.raises(Overloaded) as refused:
        log.append(0, 1, body(1000))
    assert refused.value.retry_after_s > 0
    last = log.last
    assert tickets(log) == list(range(1, last + 1))
    log.drop(last, NOW_S)
    assert log.append(0, 1, body(last + 1)) == last + 1


def test_request_larger_than_a_segment_gets_one_of_its_own(tmp_path, sync):
    """A large request is kept like any other, first or in between, and read back by the next life."""
    log = journal(tmp_path, sync=sync)
    sizes = [3 * SEGMENT, 100, 3 * SEGMENT, 2 * SEGMENT, 100]
    for size in sizes:
        log.append(0, 1, body(log.last + 1, size))
    log.close()
    assert [len(record.body) for record in journal(tmp_path, sync=sync).read()] == sizes


def test_large_request_after_a_failed_one_is_taken(tmp_path, monkeypatch):
    """A segment that was begun for a request that then failed does not stand in the way of the next."""
    log = journal(tmp_path)
    write = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(Overloaded):
        log.append(0, 1, body(1, 3 * SEGMENT))
    monkeypatch.setattr(os, "pwritev", write)
    assert log.append(0, 1, body(1, 3 * SEGMENT)) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk_is_overloaded_and_leaves_no_trace(tmp_path, monkeypatch, number):
    """A full disk is told as Overloaded; the ticket is given to the next request instead."""
    log = filled(tmp_path, 5)
    write = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda *_: (_ for _ in ()).throw(OSError(number, "full")))
    with pytest.raises(Overloaded):
        log.append(0, 1, body(6))
    monkeypatch.setattr(os, "pwritev", lambda file, parts, at: write(file, parts, at) - 1)
    with pytest.raises(Overloaded):
        log.append(0, 1, body(6))
    monkeypatch.setattr(os, "pwritev", write)
    assert log.append(0, 1, body(6)) == 6
    assert tickets(log) == list(range(1, 7))


def test_tickets_are_never_given_twice(tmp_path, sync):
    """A log that lost its end goes on after the tickets that are counted elsewhere, and the gap is no obstacle."""
    log = filled(tmp_path, 10, sync=sync)
    log.skip_to(50)
    assert log.append(0, 1, body(51)) == 51
    log.skip_to(20)
    assert log.append(0, 1, body(52)) == 52
    log.close()
    assert tickets(journal(tmp_path, sync=sync)) == [*range(1, 11), 51, 52]


def test_many_threads_settle_across_segments(tmp_path, sync):
    """Threads that append, settle and read back while segments change all end well, with everything settled."""
    log, append, faults = journal(tmp_path, sync=sync), threading.Lock(), []

    def send() -> None:
        try:
            for number in range(150):
                content = os.urandom(1000 + number)
                with append:
                    ticket = log.append(0, 1, content)
                assert log.body(ticket) == content
                log.settle(ticket)
                assert log.body(ticket, 5, 50) == content[5:55]
        except (OSError, AssertionError) as error:
            faults.append(error)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert [record.ticket for record in journal(tmp_path).read()] == list(range(1, 1201))


def test_segment_as_it_was_written_before_direct_writes_is_read_and_goes_on(tmp_path, sync):
    """A file that ends with its last record or with zeros, written by hand as it always was, is read, written to from
    there, and read again."""
    written = b"".join(
        struct.pack("<IIQQQQ", 0x53594E32, 1000, ticket, 7, 2, checksum(body(ticket), ticket)) + body(ticket)
        for ticket in range(41, 51)
    )
    for directory, rest in (("cut", b""), ("reserved", bytes(SEGMENT - len(written)))):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / f"{41:020d}.log").write_bytes(written + rest)
        log = journal(tmp_path / directory, sync=sync)
        assert [(r.ticket, r.signal, r.arrival_ns) for r in log.read()] == [(t, 2, 7) for t in range(41, 51)]
        assert log.append(0, 1, body(51)) == 51
        log.close()
        assert tickets(journal(tmp_path / directory, sync=sync)) == list(range(41, 52))
        assert len(list((tmp_path / directory).glob("*.log"))) == 1
