"""What a person who sets the source up wants to know: what answers, which layouts there are, how lines are read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from collectors.elastic.cluster import Cluster
from collectors.elastic.walking import Hit, Walk
from collectors.elastic_logs.documents import Mask, line_of
from collectors.elastic_logs.views import View

SHOWN = 3
CHARS = 160
DAY_S = 86_400.0


def about_cluster(cluster: Cluster, pattern: str) -> str:
    """Product and version; `pattern` is what the login may search."""
    product = cluster.product(pattern)
    version = ".".join(map(str, product.version)) if any(product.version) else "of a version the login may not see"
    return f"{'OpenSearch' if product.flavour == 'opensearch' else 'Elasticsearch'} {version}"


def about_view(cluster: Cluster, view: View, environment: str, mask: Mask, now_s: float) -> Iterator[str]:
    """The layout, the fields that are counted, and the newest lines of the last day as they are read."""
    fields = {"time": view.time, "service": ", ".join(view.services), "level": view.number or view.level,
              "environment": view.environment, "trace": view.trace_id, "text": ", ".join(view.bodies)}  # fmt: skip
    told = ", ".join(f"{meaning}: {name}" for meaning, name in fields.items() if name)
    yield f"{view.pattern}: layout {view.layout.name} ({told})"
    body = {"query": view.query(now_s - DAY_S, now_s), **view.document()}
    shown = 0
    for page in Walk(cluster, view.pattern, body, SHOWN, (view.newest_first(),)).pages():
        for hit in page.hits:
            shown += 1
            yield f"  {_line(view, hit, environment, mask)}"
    if not shown:
        yield "  no lines in the last day"


def _line(view: View, hit: Hit, environment: str, mask: Mask) -> str:
    line = line_of(view, hit, environment, mask)
    if line is None:
        return "a line that names no service"
    at = datetime.fromtimestamp(line.time_s, UTC).isoformat(timespec="milliseconds")
    trace = f" [trace {line.trace_id}]" if line.trace_id else ""
    body = " ".join(line.body.split())
    return f"{at} {line.level} {line.service.id}: {body if len(body) <= CHARS else body[: CHARS - 1] + '…'}{trace}"
