"""The scanner against the protobuf runtime: the same columns for the same bytes, or both refuse, and never a crash."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from span_writing import Made, body
from wild_requests import mutated, ordinary, wild

from collectors.otlp import reference
from collectors.otlp.decoding import SpanDecoder
from topology.errors import MalformedInput, TablesFull
from topology.spans import OFFSET, RESOURCE, SpanColumns

SAMPLES = Path(__file__).parents[2] / "shared" / "samples" / "otlp"
SEEDS = st.integers(0, 2**32)
DECODER = SpanDecoder(1, 1 << 14, ports=True)


def both(request: bytes) -> tuple[SpanColumns | None, SpanColumns | None]:
    """What scanner and reference make of a request; None where it is refused."""
    if DECODER.crowded:
        DECODER.reset()
    found: list[SpanColumns | None] = []
    for decode in (DECODER.decode, by_reference):
        try:
            found.append(decode(request))
        except MalformedInput:
            found.append(None)
    return found[0], found[1]


def by_reference(request: bytes) -> SpanColumns:
    """The columns of the reference decoder, in the numbers of the scanner's."""
    return reference.columns(reference.parse(request), DECODER.strings, DECODER.resources, DECODER.attributes)


def resource_of(number: int) -> bytes:
    """A resource in the protobuf runtime's own order of fields."""
    return Resource.FromString(DECODER.resources.raw(number)).SerializeToString()


def assert_same(request: bytes) -> None:
    """Same columns but for the offset, or both refuse."""
    scanned, expected = both(request)
    assert (scanned is None) == (expected is None), request
    if scanned is None or expected is None:
        return
    n = expected.used
    assert scanned.used == n, request
    assert scanned.wide[:n].tolist() == expected.wide[:n].tolist(), request
    own = [column for column in range(16) if column not in (OFFSET, RESOURCE)]
    assert scanned.narrow[:n, own].tolist() == expected.narrow[:n, own].tolist(), request
    assert [resource_of(k) for k in scanned.narrow[:n, RESOURCE].tolist()] == [
        resource_of(k) for k in expected.narrow[:n, RESOURCE].tolist()], request


@settings(deadline=None, max_examples=4000)
@given(SEEDS)
def test_odd_but_valid_requests_give_the_same_columns(seed):
    """Any order and number of fields, unknown fields, wrong wire types, nested values: as the runtime reads them."""
    assert_same(wild(seed))


@settings(deadline=None, max_examples=4500)
@given(SEEDS)
def test_damaged_requests_give_the_same_answer(seed):
    """Changed, truncated and spliced bytes are refused, or read the same, by both."""
    assert_same(mutated(seed))


@settings(deadline=None, max_examples=1500)
@given(st.binary(max_size=200))
def test_random_bytes_give_the_same_answer(request_bytes):
    """Bytes of no origin are refused, or read the same, by both."""
    assert_same(request_bytes)


@settings(deadline=None, max_examples=300)
@given(SEEDS)
def test_ordinary_requests_need_no_second_decoder(seed):
    """What an SDK sends is understood by the scanner itself."""
    before = DECODER.by_reference
    assert_same(ordinary(seed))
    assert DECODER.by_reference == before


@settings(deadline=None, max_examples=200)
@given(SEEDS)
def test_offsets_lead_to_the_spans(seed):
    """The offset of every span stands before its length and its bytes."""
    request = ordinary(seed)
    columns = DECODER.decode(request)
    message = ExportTraceServiceRequest.FromString(request)
    spans = [span for sent in message.resource_spans for scope in sent.scope_spans for span in scope.spans]
    assert [span_at(request, at) for at in columns.narrow[: columns.used, OFFSET].tolist()] == spans


def span_at(request: bytes, at: int) -> Span:
    """The span whose length prefix stands at an offset."""
    length = shift = 0
    while True:
        length |= (request[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if request[at - 1] < 128:
            return Span.FromString(request[at : at + length])


def test_no_byte_is_read_outside_the_request():
    """On requests that end where unreadable memory begins, scanning never faults."""
    script = Path(__file__).with_name("guarded_scan.py")
    done = subprocess.run([sys.executable, script, "3000"], capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["requests"] == 3000
    assert min(told["accepted"], told["refused"]) > 300


def test_malformed_resource_is_refused():
    """A request whose resource is damaged is refused when it comes, not when its spans are counted."""
    request = b"\n\x06" + b"\n\x02\xff\xff" + b"\x12\x00"
    with pytest.raises(MalformedInput):
        DECODER.decode(request)


def test_a_million_opened_messages_are_refused():
    """Nesting far deeper than any stack is answered with a refusal."""
    inner = b""
    for _ in range(400):
        inner = b"\x2a" + length_of(inner) + b"\x0a" + length_of(inner) + inner if len(inner) < 100 else inner
    nested = b"".join(b"\x2a\x7f" for _ in range(100_000))
    scanned, expected = both(b"\n" + length_of(nested) + nested)
    assert scanned is expected is None


def length_of(content: bytes) -> bytes:
    """A length as a varint."""
    n, out = len(content), b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def test_more_resources_than_fit_ask_for_a_reset():
    """When the table of resources is full, the decoder says so, and after a reset the request is read."""
    decoder = SpanDecoder(1, 1 << 12)
    for start in range(0, 32_000, 4_000):
        decoder.decode(senders(start, 4_000))
    with pytest.raises(TablesFull):
        decoder.decode(senders(32_000, 4_000))
    assert decoder.crowded
    decoder.reset()
    assert decoder.decode(senders(32_000, 4_000)).used == 4_000


def test_a_request_with_too_many_resources_is_never_read():
    """A request that alone has more senders than there are numbers fills the tables also after a reset."""
    decoder = SpanDecoder(1, 1 << 12)
    for _ in range(2):
        with pytest.raises(TablesFull):
            decoder.decode(senders(0, 33_000))
        decoder.reset()


def senders(start: int, count: int) -> bytes:
    """A request of one span from each of many services."""
    return body([Made(f"service-{n}", n + 1) for n in range(start, start + count)])


def test_columns_grow_with_the_request():
    """A request of more spans than there is room for is read whole."""
    columns = SpanDecoder(1).decode(body([Made("shop", n + 1) for n in range(10_000)]))
    assert columns.used == 10_000
    assert np.unique(columns.wide[: columns.used, 1]).size == 10_000


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no ../shared/samples/otlp beside this checkout")
@pytest.mark.parametrize("name", ["trace.json", "trace.protobuf-bin"])
def test_published_samples(name):
    """The protocol's own examples are read as the protobuf runtime reads them."""
    content = (SAMPLES / name).read_bytes()
    if name.endswith("json"):
        content = json_format.Parse(content, ExportTraceServiceRequest()).SerializeToString()
    before = DECODER.by_reference
    assert_same(content)
    assert both(content)[0] is not None
    assert DECODER.by_reference == before
