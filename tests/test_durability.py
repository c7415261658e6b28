"""What an acknowledged request is worth: kills, torn ends, full disks, damaged files, backups, in the real product."""

import os
import random
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import httpx
import pytest
from running import ROOT, Running, product, soon
from traffic import EDGE, ORDERS, SECOND, WEB, Sender, call, request

PATIENT = {"SYNOPTIC__PAIRING__HORIZON": "300s"}
"""So that a busy machine, on which a start takes long, expires no side of a call between two lives."""


@contextmanager
def sending(sender: Sender) -> Iterator[None]:
    """The sender at work in a thread of its own; at the end everything is delivered."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            sender.step()
            time.sleep(0.02)
        sender.flush()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(60)
    assert not thread.is_alive(), "the last request was never acknowledged"


def shown(running: Running) -> dict[str, tuple[int, int]]:
    """Calls and errors of every node and path over the last hour."""
    graph = running.get("/api/v1/graph", window="1h")
    return {found["id"]: (found["calls"], found["errors"]) for found in graph["nodes"] + graph["edges"]}


def expected(sender: Sender) -> dict[str, tuple[int, int]]:
    """What the map must say: nobody but the user, web and orders, and every call once."""
    user, truth = "default//user/~user", (sender.calls, sender.errors)
    return dict.fromkeys((user, WEB, ORDERS, EDGE, f"{user}>{WEB}"), truth)


def killed_again_and_again(running: Running, sender: Sender, rng: random.Random, times: int) -> None:
    """Kills the product at random moments: most while it works, some after it committed, some while it starts."""
    for number in range(times):
        long, starting = number % 20 == 3, number % 5 == 4
        time.sleep(10.2 + rng.random() if long else 0.3 * rng.random())
        running.kill()
        running.start(wait=not starting)
        if starting:
            time.sleep(2 * rng.random())
    running.wait_ready()
    assert sender.resent > 0


@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_and_nothing_counts_twice_in_20_kills(tmp_path):
    """While a sender works, the product is killed 20 times at random moments; in the end the totals are exactly what
    was acknowledged, each span once, no side of a call without the other."""
    with product(tmp_path, **PATIENT) as running:
        sender = Sender(running, random.Random(7))
        with sending(sender):
            killed_again_and_again(running, sender, random.Random(8), 20)
        assert soon(lambda: shown(running) == expected(sender)), f"{shown(running)} is not {expected(sender)}"
        assert running.get("/api/v1/quality")["lost_parents"] == 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_200_kills():
    """The same for 200 kills, every total compared after every 20."""
    from benchmarks.soak_crash import main

    assert main(200) == 0


def deliver(running: Running, calls: int, seed: int, ago_s: float = 0.5) -> None:
    """Sends so many calls, each of which is acknowledged."""
    rng = random.Random(seed)
    for _ in range(calls):
        assert running.post(request(*call(rng, time.time_ns() - int(ago_s * SECOND)))) == 200


def calls_of(running: Running) -> int:
    """The calls of the service orders in the last hour."""
    return shown(running).get(ORDERS, (0, 0))[0]


def commit_failures(running: Running) -> float:
    """How often the store refused a commit since the start."""
    (value,) = re.findall(r"^synoptic_commit_failures (.+)$", httpx.get(f"{running.http}/metrics").text, re.MULTILINE)
    return float(value)


def newest_segment(running: Running) -> Path:
    """The file of the journal that is written to."""
    return max((running.directory / "data" / "journal").glob("*.log"))


def test_torn_end_of_the_journal_is_cut(tmp_path):
    """Garbage where a write was torn is no reason not to start, and what was acknowledged before it is all there."""
    with product(tmp_path, **PATIENT) as running:
        deliver(running, 10, 1)
        running.kill()
        kept = newest_segment(running).read_bytes().rstrip(b"\0")
        newest_segment(running).write_bytes(kept + os.urandom(3000))
        running.start()
        assert soon(lambda: calls_of(running) == 10)
        deliver(running, 5, 2)
        running.kill()
        os.truncate(newest_segment(running), len(newest_segment(running).read_bytes().rstrip(b"\0")) - 7)
        running.start()
        assert soon(lambda: calls_of(running) == 14), "the last record was cut, no other"
        deliver(running, 6, 3)
        assert soon(lambda: calls_of(running) == 20)


def test_full_disk_is_answered_retryable_and_heals(tmp_path):
    """With no room left every request is refused as retryable, none is half taken, and with room it goes on."""
    with product(tmp_path, **PATIENT) as running:
        deliver(running, 5, 1)
        assert running.process is not None
        limits = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (512, limits[1]))
        body = request(*call(random.Random(2), time.time_ns() - SECOND))
        answer = httpx.post(
            f"{running.otlp_http}/v1/traces", content=body, headers={"content-type": "application/x-protobuf"}
        )
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert soon(lambda: commit_failures(running) > 0, 40)
        assert running.process.poll() is None, "it runs on, commits fail"
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, limits)
        assert soon(lambda: running.post(body) == 200)
        assert soon(lambda: calls_of(running) == 6)
        running.stop()
        running.start()
        assert calls_of(running) == 6


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A product that committed ten calls and keeps an example of them."""
    with product(tmp_path_factory.mktemp("settled")) as running:
        deliver(running, 10, 1)
        assert soon(lambda: running.get("/api/v1/traces"), 40), "an example is kept once its trace is complete"
        yield running


def test_clean_stop_keeps_history_positions_and_examples(settled):
    """After stop and start the map stands where it stood, with its counts, a pinned node and a trace to open."""
    pinned = {ORDERS: {"x": 4321.0, "y": 1234.0}}
    assert httpx.put(f"{settled.http}/api/v1/positions", json=pinned).status_code == 204
    before = settled.get("/api/v1/graph", window="1h")
    assert settled.stop() == 0
    settled.start()
    after = settled.get("/api/v1/graph", window="1h")
    kept = ("id", "calls", "errors", "x", "y", "p95_ms", "first_seen", "title", "pinned")
    assert [{k: n[k] for k in kept} for n in after["nodes"]] == [{k: n[k] for k in kept} for n in before["nodes"]]
    assert {n["id"]: (n["x"], n["y"], n["pinned"]) for n in after["nodes"]}[ORDERS] == (4321.0, 1234.0, True)
    (trace,) = settled.get("/api/v1/traces", service=ORDERS)[:1]
    spans = settled.get(f"/api/v1/traces/{trace['trace_id']}")["spans"]
    assert [span["service"] for span in spans] == ["web", "web", "orders"]
    assert after["data_age_s"] > 0


def test_backup_of_the_running_product_is_a_whole_database(settled, tmp_path):
    """`synoptic backup` of a running product writes a file from which a second product shows the same."""
    copy = tmp_path / "data" / "synoptic.duckdb"
    copy.parent.mkdir()
    command = [sys.executable, "-m", "app", "backup", str(copy), "--data-dir", str(settled.directory / "data")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    with duckdb.connect(str(copy), read_only=True) as database:
        assert database.execute("SELECT count(*) FROM entities").fetchone() > (0,)
    with product(tmp_path) as second:
        assert shown(second) == shown(settled)


def test_damaged_store_is_set_aside_and_the_product_starts(tmp_path):
    """A data file that is no database any more is moved away with a message, never overwritten; what the journal
    still holds is counted again."""
    with product(tmp_path) as running:
        deliver(running, 5, 1)
        running.kill()
        data = running.directory / "data"
        (data / "synoptic.duckdb").write_bytes(b"not a database" * 1000)
        (data / "synoptic.duckdb.wal").unlink(missing_ok=True)
        running.start()
        assert soon(lambda: calls_of(running) == 5)
        aside = [path for path in data.iterdir() if path.name.startswith("synoptic.duckdb.") and "wal" not in path.name]
        assert len(aside) == 1
        assert aside[0].read_bytes().startswith(b"not a database")
        assert aside[0].name in running.log


def test_journal_is_dropped_once_its_rollups_are_committed(tmp_path):
    """The log holds what a restart needs, two pairing horizons, and not everything that ever came."""
    with product(
        tmp_path,
        SYNOPTIC__PAIRING__HORIZON="1s",
        SYNOPTIC__JOURNAL__SEGMENT_SIZE="1MiB",
        SYNOPTIC__JOURNAL__MAX_SIZE="64MiB",
    ) as running:
        rng = random.Random(1)
        for _ in range(12):
            blocks = [block for _ in range(1500) for block in call(rng, time.time_ns() - SECOND)]
            assert running.post(request(*blocks)) == 200
        assert running.get("/api/v1/quality")["journal_bytes"] > 4 << 20

        def small() -> bool:
            deliver(running, 1, 2)
            return running.get("/api/v1/quality")["journal_bytes"] < 2 << 20

        assert soon(small, 30)
        assert sum(path.stat().st_size for path in (tmp_path / "data" / "journal").iterdir()) < 8 << 20


def test_late_spans_land_in_their_own_window(tmp_path):
    """Spans that arrive up to an hour after they ended are counted when they happened; older ones are counted as
    late, and nowhere else."""
    with product(tmp_path) as running:
        deliver(running, 3, 1, ago_s=1800)
        deliver(running, 2, 2, ago_s=3000)
        deliver(running, 4, 3, ago_s=7200)
        assert soon(lambda: calls_of(running) == 5)
        assert shown(running)[EDGE] == (5, 0)
        now_s = time.time()
        series = running.get(
            "/api/v1/series", of=ORDERS, signal="calls", step="60s", **{"from": now_s - 3600, "to": now_s}
        )
        at = {n: 3600 - 60 * i for i, n in enumerate(series["calls"]) if n}
        assert at == {3: pytest.approx(1800, abs=120), 2: pytest.approx(3000, abs=120)}
        assert running.get("/api/v1/graph", window="1m")["nodes"][0]["calls"] == 0
        assert running.get("/api/v1/quality")["late"] == 12
