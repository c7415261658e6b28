"""Lines found while a person waits: the newest first, page by page, out of all indices and layouts."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence

from collectors.contract import FoundLine, LineQuery
from collectors.elastic.cluster import Cluster
from collectors.elastic.walking import Walk
from collectors.elastic_logs.clauses import of_levels, of_text, of_trace
from collectors.elastic_logs.documents import Mask, line_of
from collectors.elastic_logs.layouts import Clause
from collectors.elastic_logs.services import of_service
from collectors.elastic_logs.views import View
from topology.model import Kind

PAGE = 100
"""Lines that are shown at once; a search is stopped between pages."""


def find(
    cluster: Cluster, views: Sequence[View], query: LineQuery, environment: str, mask: Mask,
    cancelled: Callable[[], bool],
) -> Iterator[Sequence[FoundLine]]:
    """The lines of all views that match, newest first, in pages; see LineFinder."""
    each = [_lines(cluster, view, query, environment, mask, cancelled) for view in views]
    page: list[FoundLine] = []
    left = query.limit
    for line in heapq.merge(*each, key=lambda line: -line.time_s):
        page.append(line)
        left -= 1
        if len(page) == PAGE or not left:
            yield page
            page = []
        if not left or cancelled():
            return
    if page:
        yield page


def _lines(
    cluster: Cluster, view: View, query: LineQuery, environment: str, mask: Mask, cancelled: Callable[[], bool],
) -> Iterator[FoundLine]:
    clauses = clauses_of(view, query, environment)
    if clauses is None:
        return
    body = {"query": view.query(query.from_s, query.to_s, *clauses), **view.document()}
    walk = Walk(cluster, view.pattern, body, query.limit, (view.newest_first(),), PAGE)
    for page in walk.pages():
        for hit in page.hits:
            line = line_of(view, hit, environment, mask)
            if line is not None and _meant(line, query):
                yield line
        if cancelled():
            return


def clauses_of(view: View, query: LineQuery, environment: str) -> list[Clause] | None:
    """What lines of a view have to be like; None when there can be none."""
    clauses: list[Clause] = []
    service = query.service
    if service is not None:
        if service.kind is not Kind.SERVICE or (not view.environment and service.environment != environment):
            return None
        clauses += of_service(view, service, environment)
    if query.trace_id:
        clauses += of_trace(view, query.trace_id)
    if query.levels:
        clauses += of_levels(view, query.levels)
    if query.text:
        clauses += of_text(view, query.text)
    return clauses


def _meant(line: FoundLine, query: LineQuery) -> bool:
    """What the cluster could not tell: a level in words nobody knows."""
    return not query.levels or line.level in query.levels
