"""Objects of names and plain values are copied into spans by a compiled loop, as if they had been decoded."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from stored_spans import attributes

from collectors.elastic_spans.fields import flat
from collectors.elastic_spans.flat_objects import DEEPEST, LONGEST, MOST_NAMES, framed_attributes
from collectors.elastic_spans.flat_objects import NAMES as ROOM_FOR_NAMES
from collectors.elastic_spans.layouts import made, made_plainly
from collectors.elastic_spans.parts import attributes_of, values_of
from collectors.spans.writing import span_attributes

TEXTS = st.one_of(st.text(max_size=40), st.sampled_from(['"', "\\", "\n\r\t\b\f/", "x" * 127, "x" * 128, "é" * 9000]))
VALUES = st.one_of(TEXTS, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
                   st.lists(TEXTS, max_size=3),
                   st.decimals(-10_000, 10_000, places=3).map(float))
NAMES = st.one_of(st.text(max_size=10), TEXTS)
OBJECTS = st.recursive(st.dictionaries(NAMES, VALUES, max_size=4),
                       lambda inner: st.dictionaries(NAMES, st.one_of(VALUES, inner), max_size=4), max_leaves=12)


def written(held: dict[str, Any], **how: Any) -> bytes:
    """An object as some server may write it."""
    return json.dumps(held, **how).encode()


@settings(max_examples=400, deadline=None)
@given(OBJECTS, st.booleans(), st.sampled_from([None, 2]))
@example({"a": 0.1, "b": -7, "c": 123456789012345.0, "d": 1e-9, "e": '\\"', "f": []}, False, None)
def test_an_object_is_copied_as_it_would_be_decoded(held, escaped, indent):
    """Byte for byte, with any white space, or it is left to Python."""
    text = written(held, ensure_ascii=escaped, indent=indent)
    copied = framed_attributes(text, dots=True)
    assert copied in (None, b"".join(span_attributes(values_of(msgspec.Raw(text)))))
    assert b"".join(attributes_of(msgspec.Raw(text))) == b"".join(span_attributes(values_of(msgspec.Raw(text))))


def test_what_programs_write_is_copied():
    """Texts, long ones, lists of them, numbers with and without fractions, truth, nothing, escapes, objects."""
    held = {"a": "GET", "b.c": "x" * 5000, "d": ["é", "", "y" * 200], "e": 8080, "f": -1, "g": 0.25, "h": -12.5,
            "i": True, "j": False, "k": None, "l": 'SELECT "a"\nFROM b \\ /', "m": 999_999_999_999_999,
            "n": {"o": {}, "p": {"q": 1, "r.s": "t"}, "u": "v"}, "w": {}}
    copied = framed_attributes(written(held, ensure_ascii=False), dots=True)
    assert copied is not None
    assert attributes(Span.FromString(copied).attributes) == flat(held)


@pytest.mark.parametrize("text", [
    b'{"a":{"b":1},"a.b":2}', b'{"a":{"b":1}', b'{"a":1}}', b'{"a":{"b":1,}}', b'{"a":{"b":1}"c":2}', b'{"a":{,"b":1}}',
    b'{"%b":{"%b":1}}' % (b"x" * 64, b"y" * 64), b'{"a":' * 9 + b"1" + b"}" * 9, b'{"a":{"":1}}', b'{"a":[1]}',
    b'{"a":[["b"]]}', b'{"a":"\\u00e9"}', b'{"":1}', b'{"a":1e5}', b'{"a":-0}',
    b'{"a":1234567890123456}', b'{"a":1,"a":2}', b'{"a":1}{"a":2}', b"[]", b"1", b"null", b'{"a"', b'{"a":', b'{"a":1',
    b'{"a":"b', b'{"a":"b\\', b'{"a":["b"', b'{"a":["b",', b'{"a":tru', b'{"a":1,}', b'{"a":1 "b":2}', b'{"a":"\n"}',
    b"{", b'{"a":-}', b'{"a":1.}', b'{"a":.5}', b'{"a":1.2.3}', b'{"%b":1}' % (b"x" * 200),
    b'{"a":"%b"}' % (b"x" * LONGEST), json.dumps({str(name): 1 for name in range(MOST_NAMES + 1)}).encode(),
])  # fmt: skip
def test_what_is_rare_or_broken_is_left_to_python(text):
    """Other values, long numbers, names that come twice, texts that end too soon."""
    assert framed_attributes(text, dots=True) is None


@pytest.mark.parametrize("text", [
    b'{"a":[%b]}' % b",".join([b'""'] * 20_000),
    b'{"%b":' % (b"x" * 14) * DEEPEST + b"1" + b"}" * DEEPEST,
    b'{"%b":{%b}}' % (b"x" * 124, b",".join(b'"%d":1.5' % n for n in range(10, 10 + MOST_NAMES))),
    b"{%b}" % b",".join(b'"%d":1.5' % n for n in range(10, 10 + MOST_NAMES)),
])  # fmt: skip
def test_what_is_written_has_room_where_it_grows_most(text):
    """Lists of empty texts, numbers with fractions, long names of objects around short ones."""
    copied = framed_attributes(text, dots=True)
    assert copied == b"".join(span_attributes(values_of(msgspec.Raw(text))))
    assert len(copied) + 16 <= 3 * len(text) + ROOM_FOR_NAMES


@settings(max_examples=400, deadline=None)
@given(OBJECTS, st.lists(st.tuples(st.integers(0, 1 << 12), st.integers(0, 255)), max_size=4), st.integers(0, 1 << 12))
def test_damaged_texts_are_copied_as_they_are_or_left_to_python(held, changes, cut):
    """Whatever bytes come: no crash, and nothing longer than there is room for."""
    text = bytearray(written(held))
    for at, letter in changes:
        text[at % len(text)] = letter
    text = text[: max(1, cut % (len(text) + 1))]
    copied = framed_attributes(bytes(text), dots=True)
    assert copied is None or len(copied) + 16 <= 3 * len(text) + ROOM_FOR_NAMES


def test_two_objects_are_copied_together():
    """Labels and numeric labels; names with dots only where nothing else may have them."""
    assert framed_attributes(b'{"a":{"b":1}}', dots=False) is None
    both = framed_attributes(b'{"a":"b"} {"c":1}', dots=False)
    assert both is not None
    assert attributes(Span.FromString(both).attributes) == {"a": "b", "c": 1}
    assert framed_attributes(b'{"a.b":1}', dots=False) is None
    assert framed_attributes(b"", dots=True) == framed_attributes(b" { } ", dots=True) == b""


def test_bytes_that_are_no_text_cost_one_document():
    """No server writes them; the documents beside it are read."""
    whole = {"trace_id": "1" * 32, "span_id": "2" * 16, "@timestamp": "1800000000000", "duration": 1, "status": {},
             "resource": {}, "attributes": {"a": "?"}}
    texts = [json.dumps(whole).encode().replace(b"?", letter) for letter in (b"a", b"\xff", "é".encode())]
    spans = [span for _, span in made(map(msgspec.Raw, texts), "@")]
    assert [attributes(Span.FromString(span).attributes) for span in spans] == [{"a": "a"}, {}, {"a": "é"}]
    assert spans[1] == b""


def test_what_a_process_is_says_who_sent_the_span():
    """Of Elastic APM, as OpenTelemetry has it: an attribute of the sender, not of each of its spans."""
    text = json.dumps({
        "trace": {"id": "1" * 32}, "span": {"id": "2" * 16, "name": "a", "type": "app", "duration": {"us": 1}},
        "timestamp": {"us": 1_800_000_000_000_000}, "service": {"name": "web"}, "labels": {"tier": "gold"},
        "process": {"pid": 7, "executable": "/bin/java", "title": "java"},
        "orchestrator": {"cluster": {"name": "live"}},
    }).encode()  # fmt: skip
    for read in (made([msgspec.Raw(text)], "@"), [made_plainly(msgspec.Raw(text), "@")]):
        ((sender, span),) = read
        assert attributes(Span.FromString(span).attributes) == {"tier": "gold"}
        assert attributes(Resource.FromString(sender).attributes) == {
            "service.name": "web", "k8s.cluster.name": "live", "process.pid": 7, "process.executable.path": "/bin/java"}
