"""What only a store on disk can promise: it outlives the process, damage, a full disk and other programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import numpy as np
import pytest

from topology.errors import StoreDamaged, StoreError
from topology.histogram import ladder
from topology.model import Entity, OperationKey, SeriesKey, Service
from topology.rollup import RollupBatch, from_rows
from topology.store.contract import Commit, Example, ExampleQuery, KeyedRollups
from topology.store.duckdb import DuckDBStore
from topology.store.opening import Limits
from topology.store.schema import MIGRATIONS, upgrade
from topology.store.tiers import DAY_S, HOUR_S, Retention, Tier

START_S = 1_800_000_000 - 1_800_000_000 % DAY_S
LADDER = ladder()
KEYS: list[SeriesKey] = [OperationKey(Service("p", "n", f"s{n}"), "z", "op") for n in range(7)]
ROOT = Path(__file__).parent.parent


def rollups(n: int, calls: float = 1.0) -> KeyedRollups:
    """One row for each key, in the n-th window."""
    row = [calls, 0, 0, 0, 0, 0, calls]
    return KeyedRollups(from_rows(10, [(START_S + 10 * n, at, row, {at: calls}) for at in range(len(KEYS))]),
                        KEYS, LADDER)


def calls_of(store: DuckDBStore) -> float:
    """All calls in the store."""
    return float(store.rollups(0, 4e9, 10, LADDER).batch.counts[:, 0].sum())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store's file will be."""
    return tmp_path / "data" / "store.duckdb"


def run_child(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Runs Python code in another process with the store's path as its argument."""
    return subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, env=os.environ | {"PYTHONPATH": "."},
                          capture_output=True, text=True, timeout=60, check=False)


def test_everything_is_there_after_opening_again(path: Path) -> None:
    """Rollups, entities, checkpoints, positions and examples outlive the process; series keep their numbers."""
    store = DuckDBStore(path, 0.0)
    store.commit(Commit(rollups(0), [Entity("a", 1, 2)], {"otlp": b"9"},
                        [Example("t", "s", "o", 5.0, 1.0, False, 3, b"x")]))
    store.save_positions({"a": (1, 2)})
    store.close()
    store = DuckDBStore(path, 0.0)
    store.commit(Commit(rollups(0)))
    found = store.rollups(0, 4e9, 10, LADDER)
    assert (store.notice, list(found.keys), found.batch.counts[:, 0].tolist()) == (None, KEYS, [2.0] * 7)
    assert (store.entities(), store.checkpoints(), store.positions()) == (
        [Entity("a", 1, 2)], {"otlp": b"9"}, {"a": (1, 2)})
    assert [summary.trace_id for summary in store.examples(ExampleQuery(0, 10))] == ["t"]
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.entities()


def test_one_file_has_one_user(path: Path) -> None:
    """Another process, or a second opening in this one, is refused in words, and the first goes on."""
    store = DuckDBStore(path, 0.0)
    with pytest.raises(StoreError, match="in use by another process"):
        DuckDBStore(path, 0.0)
    child = run_child("import sys, pathlib; from topology.store.duckdb import DuckDBStore\n"
                      "DuckDBStore(pathlib.Path(sys.argv[1]), 0.0)", path)
    assert "StoreInUse" in child.stderr
    assert "in use by another process" in child.stderr
    store.commit(Commit(rollups(0)))
    assert (calls_of(store), [p.name for p in path.parent.glob("*damaged*")]) == (7, [])
    store.close()


def test_the_database_has_no_thread_of_its_own(path: Path) -> None:
    """Nobody but the caller works for it: an idle thread would give the memory of the whole process back to the system
    after every commit."""
    child = run_child(
        "import sys, pathlib\n"
        "from topology.store.duckdb import DuckDBStore\n"
        "from topology.store.opening import Limits\n"
        "def threads(**limits):\n"
        "    store = DuckDBStore(pathlib.Path(sys.argv[1]), 0.0, limits=Limits(**limits))\n"
        "    store.entities()\n"
        "    count = len(list(pathlib.Path('/proc/self/task').iterdir()))\n"
        "    store.close()\n"
        "    return count\n"
        "print(threads(), threads(), threads(threads=3))\n", path)
    _, own, with_two_more = map(int, child.stdout.split())
    assert own == with_two_more - 2


def test_the_database_keeps_to_its_limits(path: Path) -> None:
    """Memory and threads are what was asked for; what does not fit into memory goes beside the file."""
    store = DuckDBStore(path, 0.0, limits=Limits(memory_mb=100, threads=3))
    with store._database.reading() as cursor:
        ((memory, threads, folder),) = cursor.execute(
            "SELECT current_setting('memory_limit'), current_setting('threads'), current_setting('temp_directory')"
        ).fetchall()
    assert (memory, threads, Path(folder).parent) == ("95.3 MiB", 3, path.parent)
    store.close()


FIRST_VERSION = """
    CREATE TABLE schema_version (version INTEGER);
    INSERT INTO schema_version VALUES (1);
    CREATE TABLE series (id INTEGER NOT NULL, kind VARCHAR NOT NULL, fields VARCHAR[] NOT NULL);
    CREATE TABLE bounds (id SMALLINT NOT NULL, upper_us BIGINT NOT NULL);
    CREATE TABLE entities (id VARCHAR PRIMARY KEY, first_seen_s DOUBLE NOT NULL, last_seen_s DOUBLE NOT NULL);
    CREATE TABLE checkpoints (name VARCHAR PRIMARY KEY, value BLOB NOT NULL);
    CREATE TABLE positions (id VARCHAR PRIMARY KEY, x DOUBLE NOT NULL, y DOUBLE NOT NULL);
    CREATE TABLE traces (id VARCHAR NOT NULL, payload BLOB NOT NULL);
    CREATE TABLE examples (trace_id VARCHAR NOT NULL, service_id VARCHAR NOT NULL, operation VARCHAR NOT NULL,
        start_s DOUBLE NOT NULL, duration_ms DOUBLE NOT NULL, failed BOOLEAN NOT NULL, span_count INTEGER NOT NULL);
    CREATE TABLE rollups_60s (start_s BIGINT NOT NULL, series INTEGER NOT NULL, calls DOUBLE NOT NULL,
        errors DOUBLE NOT NULL, originated DOUBLE NOT NULL, protected DOUBLE NOT NULL, total DOUBLE NOT NULL,
        self_total DOUBLE NOT NULL, observed DOUBLE NOT NULL, bounds SMALLINT[] NOT NULL, ns DOUBLE[] NOT NULL);
    INSERT INTO series VALUES (4, 'operation', ['p', 'n', 's0', 'service', 'z', 'op', '', 'otlp']),
        (5, 'edge', ['p', 'n', 's0', 'service', 'z', 'p', 'n', 'db', 'database', '', 'sql', 'client', 'otlp']);
    INSERT INTO bounds VALUES (0, 100), (1, 0);
    INSERT INTO rollups_60s VALUES (1800000000, 4, 5, 1, 0, 0, 99, 9, 5, [0, 1], [4, 1]);
"""


def cached_mb(store: DuckDBStore) -> float:
    """How much memory the database itself says it holds."""
    with store._database.reading() as cursor:
        ((held,),) = cursor.execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchall()
    return float(held) / 1e6


def test_memory_of_what_was_written_is_given_back(path: Path) -> None:
    """After a compaction little stays in memory of what was committed, unless somebody is reading then; the limit is
    the configured one again, and every count is there."""
    store = DuckDBStore(path, 0.0)
    noise, rows, series = np.random.default_rng(1), 40_000, np.zeros(40_000, np.int32)
    for n in range(12):
        starts_s = np.full(rows, START_S + 10 * n)
        cells = np.repeat(np.arange(rows, dtype=np.int32), 20), np.tile(np.arange(20, dtype=np.int16), rows)
        batch = RollupBatch(10, starts_s, series, noise.random((rows, 7)), *cells, noise.random(20 * rows))
        store.commit(Commit(KeyedRollups(batch, KEYS, LADDER)))
    before = calls_of(store)
    with store._database.reading() as cursor:
        store.compact(START_S)
        limit = cursor.execute("SELECT current_setting('memory_limit')").fetchall()
    assert cached_mb(store) > 60
    store.compact(START_S)
    assert cached_mb(store) < 40
    with store._database.reading() as cursor:
        assert cursor.execute("SELECT current_setting('memory_limit')").fetchall() == limit
    assert calls_of(store) == pytest.approx(before, rel=1e-12)
    store.close()


def test_a_file_of_the_first_version_is_read(path: Path) -> None:
    """A file as the first release wrote it keeps its counts, and takes new ones for the same series."""
    path.parent.mkdir()
    with duckdb.connect(path) as connection:
        connection.execute(FIRST_VERSION)
    store = DuckDBStore(path, 0.0)
    store.commit(Commit(rollups((1_800_000_000 - START_S) // 10)))
    found = store.rollups(0, 4e9, 60, LADDER, lambda key: key == KEYS[0])
    assert (store.notice, list(found.keys), found.batch.counts[0].tolist()) == (None, KEYS[:1], [6, 1, 0, 0, 99, 9, 6])
    assert found.batch.hist_bucket.tolist() == [0, LADDER.buckets - 1]
    assert found.batch.hist_n.tolist() == [5, 1]
    store.close()


def test_migrations_are_applied_once_and_in_order(tmp_path: Path) -> None:
    """An older file gets the migrations it lacks, in one transaction; a failing one changes nothing."""
    further = (*MIGRATIONS, "ALTER TABLE entities ADD COLUMN owner VARCHAR DEFAULT 'nobody'", "SELECT 1")
    with duckdb.connect(tmp_path / "x.duckdb") as connection:
        assert upgrade(connection) == 0
        connection.execute("INSERT INTO entities VALUES ('a', 1, 2)")
        with pytest.raises(duckdb.Error):
            upgrade(connection, (*further, "SELECT broken"))
        connection.rollback()
        assert upgrade(connection, further) == len(MIGRATIONS)
        assert upgrade(connection, further) == len(further)
        assert connection.execute("SELECT owner FROM entities").fetchall() == [("nobody",)]


@pytest.mark.parametrize(("sql", "said"), [
    ("CREATE TABLE schema_version AS SELECT 99 AS version", "its version is 99, this program knows 2"),
    ("CREATE TABLE customers (name VARCHAR)", "a database of another program"),
])
def test_a_file_that_is_not_ours_to_change_is_left_alone(path: Path, sql: str, said: str) -> None:
    """A newer version's file, or another program's, is refused in words and stays where it is."""
    path.parent.mkdir()
    with duckdb.connect(path) as connection:
        connection.execute(sql)
    with pytest.raises(StoreError, match=said):
        DuckDBStore(path, 0.0)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def _garbage(path: Path) -> None:
    path.write_bytes(b"not a database " * 5000)


def _nothing(path: Path) -> None:
    path.write_bytes(b"")


def _cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _headers(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)


@pytest.mark.parametrize("damage", [_garbage, _nothing, _cut_short, _headers])
def test_a_damaged_file_is_set_aside(path: Path, damage: object) -> None:
    """The damaged file is renamed with the time, a message says so, and a fresh store works."""
    store = DuckDBStore(path, 0.0)
    for n in range(50):
        store.commit(Commit(rollups(n)))
    store.close()
    assert callable(damage)
    damage(path)
    store = DuckDBStore(path, START_S + 3661)
    assert store.notice is not None
    assert f"{path.name}.damaged-20270115T010101Z" in store.notice
    assert path.with_name(f"{path.name}.damaged-20270115T010101Z").exists()
    store.commit(Commit(rollups(0)))
    assert calls_of(store) == 7
    store.close()


def test_damage_met_in_use_is_told_and_checked_at_the_next_start(path: Path) -> None:
    """A rotten block raises StoreDamaged when read; what does not touch it goes on; the next opening sets it aside."""
    marker = os.urandom(64)
    store = DuckDBStore(path, 0.0)
    store.commit(Commit(rollups(0), examples=[Example("t", "s", "o", 5.0, 1.0, False, 3, marker * 20_000)]))
    store.close()
    bytes_ = path.read_bytes()
    at = bytes_.index(marker, len(bytes_) // 3)
    path.write_bytes(bytes_[:at] + b"rot" + bytes_[at + 3 :])
    store = DuckDBStore(path, 0.0)
    assert (store.notice, calls_of(store)) == (None, 7)
    with pytest.raises(StoreDamaged):
        store.example("t")
    store.close()
    store = DuckDBStore(path, 0.0)
    assert store.notice is not None
    assert "set aside" in store.notice
    store.close()
    assert DuckDBStore(path, 0.0).notice is None


def test_a_backup_is_whole_while_commits_go_on(path: Path, tmp_path: Path) -> None:
    """The copy holds whole commits only, opens as a store, and never overwrites."""
    store, stop = DuckDBStore(path, 0.0), threading.Event()
    store.commit(Commit(rollups(0), checkpoints={"n": b"0"}))

    def committing() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            store.commit(Commit(rollups(n), checkpoints={"n": str(n).encode()}))

    writer = threading.Thread(target=committing)
    writer.start()
    copies = [tmp_path / f"it's copy {n}.duckdb" for n in range(3)]
    for copy in copies:
        store.backup(copy)
    stop.set()
    writer.join()
    with pytest.raises(StoreError, match="exists already"):
        store.backup(copies[0])
    for copy in copies:
        restored = DuckDBStore(copy, 0.0)
        assert calls_of(restored) == 7 * (int(restored.checkpoints()["n"]) + 1)
        restored.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", *(copy.name for copy in copies)]
    store.close()


FILLING = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_store_duckdb import *
from topology.errors import StoreFull

store = DuckDBStore(Path(sys.argv[1]), 0.0, limits=Limits(log_mb=int(sys.argv[2])))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, resource.RLIM_INFINITY))
done = refused = 0
while refused < 5:
    try:
        store.commit(Commit(rollups(done), [Entity(f"e{done}", 0, 1)], {"n": str(done).encode()},
                            [Example(f"t{done}", "s", "o", 5.0, 1.0, False, 3, os.urandom(50_000))]))
        done += 1
    except StoreFull:
        refused += 1
assert done > 5, done
assert calls_of(store) == 7 * done, (calls_of(store), done)
assert len(store.entities()) == done
assert store.checkpoints()["n"] == str(done - 1).encode()
try:
    store.backup(Path(sys.argv[1] + ".copy"))
    print("backup fits")
except StoreFull:
    assert not Path(sys.argv[1] + ".copy").exists()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for n in range(done, done + 30):
    store.commit(Commit(rollups(n), checkpoints={"n": str(n).encode()}))
assert calls_of(store) == 7 * (done + 30), (calls_of(store), done)
store.close()
store = DuckDBStore(Path(sys.argv[1]), 0.0)
assert store.notice is None, store.notice
assert calls_of(store) == 7 * (done + 30)
print("fine", done)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are a matter of POSIX")
@pytest.mark.parametrize("log_mb", [1, 64])
def test_a_full_disk_refuses_whole_commits_and_recovers(path: Path, log_mb: int) -> None:
    """Without space a commit raises StoreFull and leaves nothing; reading goes on; with space again all goes on.
    The log runs full in one case, the file itself in the other."""
    child = run_child(FILLING.replace("int(sys.argv[2])", str(log_mb)), path)
    assert (child.returncode, child.stdout.split()[-2:-1]) == (0, ["fine"]), child.stderr


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_store_duckdb import *

store = DuckDBStore(Path(sys.argv[1]), 0.0, limits=Limits(log_mb=1))
n = int(store.checkpoints().get("n", b"-1"))
while True:
    n += 1
    store.commit(Commit(rollups(n), [Entity("e", START_S, START_S + n)], {"n": str(n).encode()},
                        [Example(f"t{n % 50}", "s", "o", START_S, 1.0, False, n, bytes(20_000))]))
    print(n, flush=True)
    if n % 20 == 0:
        store.compact(START_S + 10 * n + 2 * HOUR_S)
"""


def test_kill_leaves_whole_commits_and_all_that_was_acknowledged(path: Path) -> None:
    """Killed at any moment, the file holds every commit that returned, at most one more, and no part of one."""
    for turn in range(5):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, stdout=subprocess.PIPE,
                                 env=os.environ | {"PYTHONPATH": "."}, text=True)
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(0.1 + 0.17 * turn)
        child.send_signal(signal.SIGKILL)
        acknowledged = [int(line) for line in (first + child.stdout.read()).split()]
        child.wait()
        child.stdout.close()
        store = DuckDBStore(path, 0.0)
        last = int(store.checkpoints()["n"])
        assert last in (acknowledged[-1], acknowledged[-1] + 1)
        assert (store.notice, calls_of(store), store.entities()) == (None, 7 * (last + 1), [
            Entity("e", START_S, START_S + last)])
        store.close()


def test_other_tiers_in_the_configuration_keep_what_was_counted(path: Path) -> None:
    """Counts of a tier that is configured no more move to the finest tier they fit into; else the start says so."""
    store = DuckDBStore(path, 0.0)
    store.commit(Commit(rollups(0)))
    store.close()
    with pytest.raises(StoreError, match="windows of 10 s, which fit into no configured tier"):
        DuckDBStore(path, 0.0, Retention((Tier(15, HOUR_S),)))
    store = DuckDBStore(path, 0.0, Retention((Tier(20, HOUR_S), Tier(120, DAY_S))))
    found = store.rollups(0, 4e9, 10, LADDER)
    assert (found.batch.window_s, found.batch.counts[:, 0].sum()) == (20, 7)
    store.close()
