"""The live stream: the law of deltas, one encoding for all, and viewers that are slow, many, gone, or plain."""

import asyncio
import json
import threading
import time
import zlib
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshots import Shelf, chain, node, snapshot
from web_server import serving

from app.web import WebOptions
from app.web.delta import applied, delta
from app.web.encoding import accepts
from app.web.push import GZIP_HEADER, Broadcast, event

NAMES = st.sampled_from("abcdefgh")
ITEMS = st.dictionaries(NAMES, st.integers(0, 2), max_size=8)
GROUPS = st.lists(NAMES, max_size=3)


def picture(nodes, edges, groups, seq):
    """A snapshot with these nodes and edges, each name with one figure."""
    listed = [[{"id": name, "calls": figure} for name, figure in part.items()] for part in (nodes, edges)]
    return {"seq": seq, "at": f"t{seq}", "groups": groups, "layers": [], "nodes": listed[0], "edges": listed[1]}


def unordered(one):
    """The snapshot without regard to the order of nodes and edges."""
    return {**one, **{part: {item["id"]: item for item in one[part]} for part in ("nodes", "edges")}}


@given(ITEMS, ITEMS, GROUPS, ITEMS, ITEMS, GROUPS)
def test_a_snapshot_with_its_delta_is_the_next_snapshot(nodes, edges, groups, later_nodes, later_edges, later_groups):
    """Whatever came, went or changed between two snapshots, the delta carries it."""
    old, new = picture(nodes, edges, groups, 7), picture(later_nodes, later_edges, later_groups, 9)
    assert unordered(applied(old, delta(old, new))) == unordered(new)


@given(ITEMS, ITEMS, GROUPS)
def test_nothing_changed_costs_nothing(nodes, edges, groups):
    """A delta between equal pictures names no node, no edge and no group."""
    change = delta(picture(nodes, edges, groups, 1), picture(nodes, edges, groups, 2))
    assert (change["nodes"], change["edges"], change["gone"]) == ([], [], {"nodes": [], "edges": []})
    assert "groups" not in change
    assert (change["base"], change["seq"]) == (1, 2)


def test_a_delta_on_another_base_is_refused():
    """Applying a delta to a snapshot it does not build on is an error, not a wrong picture."""
    one, two, three = (picture({"a": i}, {}, [], i) for i in (1, 2, 3))
    with pytest.raises(ValueError, match="builds on 2"):
        applied(one, delta(two, three))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.data())
def test_pieces_may_be_skipped(figures, data):
    """After the one gzip header any choice of pieces, in order, unpacks to the events they hold."""
    pieces = [event("delta", {"seq": i, "figure": figure}) for i, figure in enumerate(figures)]
    taken = [one for one in pieces if data.draw(st.booleans())]
    unpacked = zlib.decompressobj(wbits=31).decompress(GZIP_HEADER + b"".join(one.packed for one in taken))
    assert unpacked == b"".join(one.plain for one in taken)


@pytest.mark.parametrize(
    ("header", "yes"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("*", True), ("gzip;q=0", False), ("br", False), ("", False),
     ("*;q=0", False), ("gzip;q=x", False), ("identity, gzip; q=1.0", True)],
)  # fmt: skip
def test_content_coding_is_negotiated(header, yes):
    """A coding is used only if the client takes it: q=0 is a no, a star stands for all others."""
    assert accepts(header, "gzip") is yes


class Viewer:
    """Reads events of one stream until told to stop; `events` holds (name, id, data)."""

    def __init__(self, client, view="5m", headers=None):
        self._open = client.stream("GET", f"/api/v1/stream?view={view}", headers=headers or {})
        self.answer = self._open.__enter__()
        self._lines = self.answer.iter_lines()

    def next(self):
        """The next event as (name, id, data)."""
        fields = {}
        for line in self._lines:
            if not line and "data" in fields:
                return fields["event"], fields["id"], json.loads(fields["data"])
            key, _, value = line.partition(": ")
            fields[key] = value
        return None

    def close(self):
        """Leaves."""
        self._open.__exit__(None, None, None)


def following(one, **changes):
    """The snapshot after `one`, with other figures for its first node."""
    nodes = [{**one["nodes"][0], **changes}, *one["nodes"][1:]]
    return {**one, "seq": one["seq"] + 1, "nodes": nodes}


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_a_viewer_gets_a_snapshot_then_deltas(coding):
    """Both codings carry the same events: the whole first, then only what changed, with the id to resume from."""
    shelf = Shelf()
    with serving(shelf) as client, closing(Viewer(client, headers={"accept-encoding": coding})) as viewer:
        assert viewer.answer.headers.get("content-encoding", "identity") == coding
        assert viewer.answer.headers["content-type"].startswith("text/event-stream")
        assert viewer.answer.headers["cache-control"] == "no-store"
        name, number, whole = viewer.next()
        assert (name, number) == ("snapshot", "1")
        assert whole.pop("build")
        assert whole == chain()
        later = following(chain(), calls=1300)
        shelf.tick(later)
        name, number, change = viewer.next()
        assert (name, number, change["base"]) == ("delta", "2", 1)
        assert [one["name"] for one in change["nodes"]] == ["web"]
        assert unordered(applied(whole, change)) == unordered(later)


def test_only_windows_with_viewers_are_computed():
    """A tick asks the engine for the window somebody looks at, and for nothing once nobody looks."""
    shelf = Shelf()
    with serving(shelf) as client:
        with closing(Viewer(client, view="1h")) as viewer:
            viewer.next()
            shelf.tick(following(chain(), calls=1))
            viewer.next()
        assert {asked[1] for asked in shelf.asked} == {3600}
        until_nobody_looks(client)
        asked = len(shelf.asked)
        shelf.tick(following(chain(), calls=2))
        time.sleep(0.2)
        assert len(shelf.asked) == asked


def until_nobody_looks(client):
    """Waits until the server has noticed that every viewer left."""
    until = time.monotonic() + 10
    while "synoptic_viewers 0.0" not in client.get("/metrics").text:
        assert time.monotonic() < until, "viewers that left are still counted"
        time.sleep(0.05)


def test_viewers_are_bounded():
    """Beyond the configured number a viewer is told to come again, and may once another has left."""
    with serving(Shelf(), WebOptions(max_viewers=1)) as client:
        with closing(Viewer(client)) as viewer:
            viewer.next()
            answer = client.get("/api/v1/stream")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
            assert answer.headers["content-type"] == "application/problem+json"
        until_nobody_looks(client)
        with closing(Viewer(client)) as viewer:
            assert viewer.next()[0] == "snapshot"


def test_a_viewer_that_comes_back_gets_what_it_missed():
    """With Last-Event-ID a viewer goes on where it was, however much was ticked while nobody looked."""
    shelf = Shelf()
    with serving(shelf) as client:
        with closing(Viewer(client)) as viewer:
            whole = viewer.next()[2]
        until_nobody_looks(client)
        for calls in (1300, 1400):
            shelf.tick(following(shelf.now, calls=calls))
        with closing(Viewer(client, headers={"last-event-id": "1"})) as viewer:
            name, number, change = viewer.next()
            assert (name, number, change["base"]) == ("delta", "3", 1)
            assert unordered(applied(whole, change)) == unordered({**shelf.now, "build": whole["build"]})
            with closing(Viewer(client, headers={"last-event-id": "3"})) as other:
                shelf.tick(following(shelf.now, calls=1500))
                assert [one.next()[:2] for one in (viewer, other)] == [("delta", "4")] * 2


@pytest.mark.parametrize("known", ["1", "0", "99", "x", "", "1" * 30])
def test_a_viewer_that_knows_nothing_of_this_server_gets_the_whole(known):
    """An id that this process did not send, as after a restart, is answered with the newest snapshot."""
    with serving(Shelf()) as client, closing(Viewer(client, headers={"last-event-id": known})) as viewer:
        assert viewer.next()[:2] == ("snapshot", "1")


def test_an_open_stream_does_not_hold_up_a_stop():
    """The server ends its streams when it stops, long before any grace time is over."""
    with serving(Shelf()) as client, closing(Viewer(client)) as viewer:
        viewer.next()
        started = time.monotonic()
        client.server.should_exit = True
        assert viewer.next() is None
        assert time.monotonic() - started < 1.5


def test_a_slow_viewer_gets_the_newest_whole():
    """Who misses a delta is sent one whole snapshot, not the queue of what was missed."""

    async def run():
        shelf = Shelf(snapshot([node("web")]))
        broadcast = Broadcast(shelf, "build", 10)
        sending = asyncio.create_task(broadcast.run())
        pieces = broadcast.pieces(300)
        first = await anext(pieces)
        for seq in (2, 3, 4):
            shelf.tick(snapshot([node("web", calls=seq)], seq=seq))
            await asyncio.sleep(0.1)
        caught_up = await anext(pieces)
        await pieces.aclose()
        sending.cancel()
        return first, caught_up

    first, caught_up = asyncio.run(run())
    assert first.seq == 1
    assert caught_up.seq == 4
    assert caught_up.plain.startswith(b"id: 4\nevent: snapshot\n")


def test_a_failed_tick_is_not_the_last(caplog):
    """When the engine fails at one tick, viewers keep what they have and get the next tick."""
    shelf = Shelf()
    answer = shelf.snapshot
    with serving(shelf) as client, closing(Viewer(client)) as viewer:
        viewer.next()
        shelf.snapshot = None
        shelf.tick(following(shelf.now, calls=1))
        time.sleep(0.2)
        shelf.snapshot = answer
        shelf.tick(following(shelf.now, calls=2))
        name, number, change = viewer.next()
    assert (name, number, change["base"]) == ("delta", "3", 1)
    assert "no snapshot of 300 s" in caplog.text


def test_one_encoding_for_all():
    """However many look, a snapshot and a delta are encoded once: everybody gets the same bytes object."""

    async def run():
        shelf = Shelf(snapshot([node("web")]))
        broadcast = Broadcast(shelf, "build", 10)
        sending = asyncio.create_task(broadcast.run())
        viewers = [broadcast.pieces(300) for _ in range(5)]
        firsts = await asyncio.gather(*(anext(one) for one in viewers))
        waiting = [asyncio.ensure_future(anext(one)) for one in viewers]
        await asyncio.sleep(0.05)
        shelf.tick(snapshot([node("web", calls=1)], seq=2))
        seconds = await asyncio.gather(*waiting)
        sending.cancel()
        return firsts, seconds

    firsts, seconds = asyncio.run(run())
    assert len({id(one) for one in firsts}) == 1
    assert len({id(one) for one in seconds}) == 1
    assert seconds[0].plain.startswith(b"id: 2\nevent: delta\n")


def test_the_engine_may_tick_from_its_own_thread():
    """Ticks from another thread arrive in order, and one after the loop has ended does no harm."""
    shelf = Shelf()
    with serving(shelf) as client, closing(Viewer(client)) as viewer:
        _, _, whole = viewer.next()

        def engine():
            for calls in range(1, 4):
                shelf.tick(following(shelf.now, calls=calls))
                time.sleep(0.15)

        thread = threading.Thread(target=engine)
        thread.start()
        for _ in range(3):
            whole = applied(whole, viewer.next()[2])
        thread.join()
        assert whole["nodes"][0]["calls"] == 3
        late = shelf._listeners[0]
    late(99)
