"""Stored spans are read from the text of documents: the same as from dictionaries, and nothing breaks a page."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from span_strategies import traces
from span_writing import body as written
from stored_spans import jaeger_document, none_document, otel_document, pairs, told

from collectors.elastic_spans.layouts import is_wide, made
from collectors.elastic_spans.texts import hits_as_texts
from collectors.spans.jaeger_model import sender, write
from collectors.spans.writing import Request

_VALUES = st.one_of(st.text(max_size=30), st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.none(),
                    st.floats(allow_nan=False, allow_infinity=False), st.just("x" * 700), st.lists(st.text(max_size=5)))
_KINDS = st.sampled_from(["string", "bool", "int64", "float64", "binary"])
_KEYS = st.sampled_from(["span.kind", "error", "otel.status_code", "peer.hostname", "db.type", "a", "b.c", "é"])
_TAGS = st.lists(st.fixed_dictionaries({"key": _KEYS, "type": _KINDS, "value": _VALUES}), max_size=6)


def made_of(document: Any) -> tuple[bytes, bytes]:
    """The resource and the span of a document, by its text."""
    (one,) = made([msgspec.Raw(orjson.dumps(document))], "@")
    return one


def document(**more: Any) -> dict[str, Any]:
    """A document of Jaeger."""
    return {"traceID": "ab" * 16, "spanID": "cd" * 8, "operationName": "GET", "references": [], "duration": 7,
            "startTime": 1_800_000_000_000_000, "tags": [], "logs": [],
            "process": {"serviceName": "web", "tags": []}, **more}


@settings(max_examples=100, deadline=None)
@given(traces(), st.booleans())
def test_the_text_of_a_document_tells_what_its_dictionary_tells(spans, fields):
    """To the byte, with tags in a list and as fields of their own."""
    for named, span in pairs(written([one for one in spans if one.took >= 0])):
        stored = jaeger_document(named, span, fields)
        assert made_of(stored) == (sender(stored["process"]), write(stored))


@settings(max_examples=200, deadline=None)
@given(_TAGS, _TAGS)
def test_tags_of_every_type_are_read_alike(tags, logged):
    """Those that are remembered, those that are too long for it, and those whose values are of another type."""
    stored = document(tags=tags, logs=[{"timestamp": 1_800_000_000_000_001, "fields": logged}])
    assert made_of(stored) == (sender(stored["process"]), write(stored))


@pytest.mark.parametrize("more", [
    {"duration": 7.0}, {"duration": "7"}, {"tags": [None]}, {"tags": [{"value": 1}]}, {"references": None},
    {"tags": None}, {"process": None}, {"operationName": 5}, {"logs": None, "tag": None, "parentSpanID": None},
])  # fmt: skip
def test_what_is_not_quite_as_jaeger_writes_it_is_a_span_all_the_same(more):
    """Numbers of another type, values that are null."""
    named, span = made_of(document(**more))
    request = Request()
    request.add(named, span)
    (one,) = told(request.content())
    assert (one[0], one[1], one[6] - one[5]) == ("ab" * 16, "cd" * 8, 7000)


@pytest.mark.parametrize("text", [
    b'{"traceID":"\xff","spanID":"cd","startTime":1}', b"null",
    b'{"traceID":"' + b"ab" * 16 + b'","spanID":"cdcdcdcdcdcdcdcd","startTime":1,"tags":[{"key":"\xff"}]}', b"[]", b"7",
])  # fmt: skip
def test_text_that_is_none_does_not_break_a_page(text):
    """A document that cannot be decoded is no span; those beside it are read."""
    reply = b'{"hits":{"hits":[{"_source":%s,"sort":[1]},{"_source":%s,"sort":[2]},{"sort":[3]}]}}'
    hits = hits_as_texts(reply % (text, orjson.dumps(document())))["hits"]["hits"]
    assert [bool(span) for _, span in made((hit.source for hit in hits), "@")] == [False, True, False]
    assert [hit.sort for hit in hits] == [[1], [2], [3]]


@settings(max_examples=50, deadline=None)
@given(traces(), st.randoms(use_true_random=False))
def test_a_page_of_several_layouts_is_read_like_its_documents(spans, random):
    """Whichever came before, a document is read by its own layout; with dotted names as with objects."""
    stored = [make(*one) for one in pairs(written([one for one in spans if one.took >= 0]))
              for make in (jaeger_document, otel_document, none_document)]
    stored += [{"@timestamp": 1, "message": "a line"}]
    random.shuffle(stored)
    texts = [msgspec.Raw(orjson.dumps(one)) for one in stored]
    assert list(made(texts, "@")) == [made_of(one) for one in stored]
    dotted = [_dotted(one) if "trace_id" in one else one for one in stored]
    assert list(made([msgspec.Raw(orjson.dumps(one)) for one in dotted], "@")) == list(made(texts, "@"))


def _dotted(stored: dict[str, Any]) -> dict[str, Any]:
    """The same document of the exporter without objects."""
    plain = {name: held for name, held in stored.items() if name not in ("resource", "attributes", "status")}
    return {**plain, **{f"status.{name}": held for name, held in stored["status"].items()},
            **{f"attributes.{name}": held for name, held in stored["attributes"].items()},
            **{f"resource.attributes.{name}": held for name, held in stored["resource"]["attributes"].items()}}


@pytest.mark.parametrize("reply", [
    {"error": {"type": "x", "reason": "y"}, "status": 404}, [], {"id": "point"}, {"hits": {"total": 3}}, "text", None,
])  # fmt: skip
def test_replies_without_documents_are_plain_json(reply):
    """Refusals, points in time, and what no search answers."""
    assert hits_as_texts(json.dumps(reply).encode()) == reply


def test_a_reply_that_is_no_json_is_an_error():
    """A page of HTML, and a reply that was cut off."""
    for text in (b"<html>", b'{"hits":{"hits":[{"_source":{'):
        with pytest.raises(ValueError, match="line 1"):
            hits_as_texts(text)


def test_only_documents_with_many_other_fields_are_wide():
    """Of those of Jaeger and the exporter all fields are asked for."""
    texts = (document(), {"trace_id": "1"}, {"trace": {"id": "1"}, "transaction": {}}, {"TraceId": "1"})
    assert [is_wide(msgspec.Raw(orjson.dumps(one))) for one in texts] == [False, False, True, False]
