"""A request without some of its spans."""

from __future__ import annotations

from collections.abc import Sequence

from collectors.otlp.reference import parse


def without(body: bytes, dropped: Sequence[bool]) -> bytes:
    """The request without the spans for which `dropped` is true (in the order in which they are decoded), and without
    the resources and scopes that have none left."""
    request, row = parse(body), 0
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            spans = list(scope_spans.spans)
            kept = [span for span, is_dropped in zip(spans, dropped[row : row + len(spans)], strict=True)
                    if not is_dropped]
            row += len(spans)
            del scope_spans.spans[:]
            scope_spans.spans.extend(kept)
        left = [scope_spans for scope_spans in resource_spans.scope_spans if scope_spans.spans]
        del resource_spans.scope_spans[:]
        resource_spans.scope_spans.extend(left)
    found: bytes = type(request)(resource_spans=[one for one in request.resource_spans if one.scope_spans]
                                 ).SerializeToString()
    return found
