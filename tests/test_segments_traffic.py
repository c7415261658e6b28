"""Known traffic as SkyWalking agents send it: every call on the map, once, and the same map as from OTLP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from engine_run import Run
from segment_senders import COLLECT, call, channel, collection, messages, post, receiving
from segment_traffic import Traffic, drawn
from traffic import request

SETTLED_S = 70.0


def engine(folder: Path, **environ: str) -> Run:
    """An engine that listens to agents, which are a source of their own."""
    return Run(folder, SYNOPTIC__COLLECTORS__AGENTS__KIND="skywalking_segments", **environ)


def traffic(run: Run, seed: int, requests: int = 60) -> Traffic:
    """Requests of the last minute of a run."""
    return Traffic(Random(seed), int(run.clock.now_s * 1000)).make(requests)


def send(run: Run, segments: Sequence[dict[str, Any]], rng: Random) -> None:
    """Sends segments in any order, in every way there is, some of them twice."""
    going = [*segments, *(segment for segment in segments if rng.random() < 0.1)]
    rng.shuffle(going)
    with receiving(run.intakes.of("agents")) as receiver, channel(receiver.grpc_port) as made:
        for some in (going[at : at + 7] for at in range(0, len(going), 7)):
            way = rng.randrange(4)
            if way == 0:
                call(made, COLLECT, messages(some))
            elif way == 1:
                call(made, "TraceSegmentReportService/collectInSync", [collection(some)])
            elif way == 2:
                assert post(receiver.http_port, "/v3/segments", some).status_code == 200
            else:
                assert all(post(receiver.http_port, "/v3/segment", one).status_code == 200 for one in some)


def figures(found: dict[str, Any]) -> dict[str, Any]:
    """What is told of a node or a path, but for where it comes from."""
    told = ("calls", "errors", "protocol", "zones", "p50_ms", "p95_ms", "cross_zone_calls", "originated", "instances")
    return {key: found[key] for key in told if key in found}


@pytest.mark.parametrize("seed", [1, 2])
def test_every_call_of_every_segment_is_drawn_once(tmp_path, seed):
    """Calls and errors of every path are those that were made: over HTTP, gRPC and queues, to databases, caches and
    hosts, from threads of their own, in any order, over gRPC and HTTP, some segments sent twice."""
    run = engine(tmp_path)
    made = traffic(run, seed)
    send(run, made.segments(), Random(seed))
    picture = run.settle(SETTLED_S).engine.snapshot(3600)
    assert drawn(picture) == made.truth
    assert {tuple(edge["sources"]) for edge in picture["edges"]} == {("agents",)}
    assert run.intakes.quality()["lost_parents"] == 0


def test_segments_and_spans_draw_the_same_map(tmp_path):
    """The same requests as segments and as OTLP spans make the same nodes and paths with the same figures."""
    pictures = []
    for name in ("segments", "spans"):
        run = engine(tmp_path / name)
        made = traffic(run, 3)
        if name == "segments":
            send(run, made.segments(), Random(3))
        else:
            run.take(request(*made.blocks()))
        pictures.append(run.settle(SETTLED_S).engine.snapshot(3600))
    segments, spans = ({one["id"]: figures(one) for one in (*found["nodes"], *found["edges"])} for found in pictures)
    assert segments == spans
    assert len(segments) > 20


@pytest.mark.parametrize(("apart", "paired"), [("30s", True), ("0s", False)])
def test_caller_whose_segment_ends_late_is_paired(tmp_path, apart, paired):
    """A segment is sent when all of it has ended: a caller that goes on for a while is paired with whom it called as
    long as `pairing.horizon` and `spans_apart` allow, and no longer."""
    run = engine(tmp_path, SYNOPTIC__COLLECTORS__AGENTS__SPANS_APART=apart)
    made = traffic(run, 4, 20)
    segments = made.segments()
    send(run, [segment for segment in segments if segment["service"] != "gateway"], Random(4))
    run.settle(50.0)
    send(run, [segment for segment in segments if segment["service"] == "gateway"], Random(4))
    assert (drawn(run.settle(SETTLED_S).engine.snapshot(3600)) == made.truth) == paired
