"""Documents of spans are read quickly by what is remembered of their parts, and it is as if each was read plainly."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from span_writing import Made
from span_writing import body as written
from stored_apm import apm_document, ecs_document
from stored_spans import jaeger_document, none_document, otel_document, pairs, told

from collectors.elastic import transport
from collectors.elastic_spans.layouts import made, made_plainly
from collectors.elastic_spans.texts import hits_as_texts
from collectors.spans.writing import Request

Document = dict[str, Any]
LAYOUTS = (jaeger_document, otel_document, none_document, ecs_document, apm_document)
DOTTED_APART = (ecs_document, apm_document)
"""Layouts in which a part of an object may have a dotted name and the rest may not."""
SPANS = (
    Made("web", 1, kind=2, attributes={"http.request.method": "GET", "http.response.status_code": 503}, status=2),
    Made("pay", 2, 1, kind=3, zone="a", instance="pay-1", trace_state="ot=th:8", links=((7, 8), (9, 10)),
         attributes={"server.address": "db-1", "server.port": 5432, "db.system": "mysql", "db.namespace": "books"}),
    Made("mail", 3, 2, kind=4, attributes={"messaging.system": "kafka", "messaging.destination.name": "mails"}),
    Made("mail", 4, 3, kind=3, attributes={"rpc.system": "grpc", "server.address": "orders", "thread.id": 7}),
)
TEXTS = st.one_of(st.text(max_size=12), st.sampled_from([
    "é€😀", "\ud800", "a\udc00b", "\udfff\ud800", "\x00", 'a"\\b', "x" * 300, "true", "7", "1e400", "nan", "Error",
    "success", "2026-11-21T18:00:00.5Z", "1800000010022.616717", "messaging", "db", "http://orders:80", "ab" * 16,
    "cd" * 8,
]))  # fmt: skip
PLAIN = st.one_of(TEXTS, st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 64) - 1),
                  st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0, 1, 0.0, 1.0, 1 << 80]))
NAMES = st.sampled_from(["a", "a.b", "é", "name", "id", "type", "service_namespace", "thread.id", "us", "x" * 300, ""])
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
                      max_leaves=5)
TOPS = st.sampled_from(["labels", "attributes", "Attributes", "http", "span", "transaction", "service", "url", "tags",
                        "resource", "Resource", "process", "host", "event", "destination", "numeric_labels", "status"])


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A document of one of the layouts with some of its values changed, taken away or added, and some names dotted."""
    layout = draw(st.sampled_from(LAYOUTS))
    ((sender, span),) = pairs(written([draw(st.sampled_from(SPANS))]))
    document = json.loads(json.dumps(layout(sender, span)))
    for _ in range(draw(st.integers(0, 4))):
        draw(st.sampled_from([_changed, _changed, _added, _taken_away]))(draw, document)
    if draw(st.booleans()):
        _dotted(draw, document, layout in DOTTED_APART)
    return document


def _inside(draw: st.DrawFn, document: Document) -> Document:
    """The document, or one of the objects in it."""
    objects = [document]
    for one in objects:
        objects += [held for held in one.values() if isinstance(held, dict)]
    return draw(st.sampled_from(objects))


def _changed(draw: st.DrawFn, document: Document) -> None:
    held = _inside(draw, document)
    if held:
        held[draw(st.sampled_from(sorted(held)))] = draw(VALUES)


def _added(draw: st.DrawFn, document: Document) -> None:
    held = document.setdefault(draw(TOPS), {})
    if isinstance(held, dict):
        held[draw(NAMES)] = draw(VALUES)


def _taken_away(draw: st.DrawFn, document: Document) -> None:
    held = _inside(draw, document)
    if held:
        del held[draw(st.sampled_from(sorted(held)))]


def _dotted(draw: st.DrawFn, document: Document, apart: bool) -> None:
    """Writes what is in an object under dotted names beside it: all of it, or where it may be apart one value."""
    objects = sorted(name for name, held in document.items() if isinstance(held, dict) and held)
    if objects:
        name = draw(st.sampled_from(objects))
        held = document.pop(name)
        moved = [draw(st.sampled_from(sorted(held)))] if apart else sorted(held)
        document |= {f"{name}.{key}": held.pop(key) for key in moved}
        if held:
            document[name] = held


def texts_of(*stored: Document) -> list[msgspec.Raw]:
    """The texts of documents as the transport hands them on of a reply."""
    hits = ",".join(f'{{"_source":{json.dumps(one)},"sort":[1]}}' for one in stored)
    with transport._decoding(hits_as_texts):
        reply = transport._Serializer().json_loads(f'{{"hits":{{"hits":[{hits}]}}}}'.encode())
    return [hit.source for hit in reply["hits"]["hits"]]


def said(found: tuple[bytes, bytes]) -> list[Any]:
    """What a span and its resource say."""
    request = Request()
    if found[1]:
        request.add(*found)
    return told(request.content())


@settings(max_examples=300, deadline=None)
@given(st.lists(documents(), min_size=1, max_size=4))
def test_a_page_says_what_its_documents_say_when_each_is_read_plainly(stored):
    """Of every layout, with odd types, nested and dotted names, half characters, and fields that are missing."""
    texts = texts_of(*stored)
    assert [said(found) for found in made(texts, "@")] == [said(made_plainly(text, "@")) for text in texts]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("span", SPANS, ids=lambda span: span.service)
def test_what_programs_write_is_read_from_its_text(layout: Callable[..., Document], span: Made, monkeypatch):
    """A document that nobody changed is never read plainly, which takes several times as long."""
    ((sender, one),) = pairs(written([span]))
    (text,) = texts_of(layout(sender, one))
    plainly = said(made_plainly(text, "@"))
    monkeypatch.setattr("collectors.elastic_spans.layouts.made_plainly", lambda *_: pytest.fail("read plainly"))
    (found,) = made([text], "@")
    assert said(found) == plainly
    assert plainly[0][:3] == (one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex())
