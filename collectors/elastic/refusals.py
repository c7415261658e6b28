"""What a cluster says when it does not answer, or not wholly, in plain words.

Sources: replies of Elasticsearch 7.17, 8.19 and 9.1 and of OpenSearch 2.19 and 3.8. The same trouble comes under
several status codes (too many buckets is 400 or 503), and half of it comes as 200.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from topology.errors import SourceUnavailable, Why

MOST_CHARS = 200
TOO_LARGE = "reply_too_large"
"""The kind of error that stands for a reply which was not read to its end."""
_NEEDS_KEYWORD = re.compile(r"fielddata=true on \[([^\]]+)\]")
_LATER_S = 30.0


class PointExpired(SourceUnavailable):
    """The point in time is no longer held; what is read by it starts again."""


class TooManyBuckets(SourceUnavailable):
    """A question made more groups than the cluster allows; a smaller one may pass."""


class NoSuchIndex(SourceUnavailable):
    """There is no index of that name."""


class ReplyTooLarge(SourceUnavailable):
    """A reply was larger than may be held in memory; fewer documents at once may pass."""


def refusal(status: int, body: Any) -> SourceUnavailable:
    """The error that stands for a reply that is none of 2xx."""
    causes = [*_causes(body)]
    kinds = {kind for kind, _ in causes}
    said = _said(causes) or str(status)
    if status == 401:
        refused = "the login was refused (401): check username and password, or the API key"
        return SourceUnavailable(refused, why=Why.LOGIN)
    if status == 403:
        return SourceUnavailable(f"the login is known but may not do this (403): {said}", why=Why.FORBIDDEN)
    if TOO_LARGE in kinds:
        return ReplyTooLarge("a reply was larger than may be held in memory", why=Why.TOO_LARGE)
    if "search_context_missing_exception" in kinds:
        return PointExpired("the point in time that was being read has expired")
    if "too_many_buckets_exception" in kinds:
        more = "the question makes more groups than the cluster allows (search.max_buckets)"
        return TooManyBuckets(more, why=Why.TOO_LARGE)
    if "index_not_found_exception" in kinds:
        return NoSuchIndex(f"there is no such index: {said}", why=Why.NO_DATA)
    found = _busy(status, kinds) or _unreadable(causes)
    return found or SourceUnavailable(f"answered {status}: {said}", why=Why.REFUSED)


def _busy(status: int, kinds: set[str]) -> SourceUnavailable | None:
    if "circuit_breaking_exception" in kinds:
        short = "the cluster is short of memory and refused the question (circuit breaker)"
        return SourceUnavailable(short, _LATER_S, Why.BUSY)
    if status == 429 or kinds & {"es_rejected_execution_exception", "rejected_execution_exception"}:
        return SourceUnavailable("the cluster is too busy: its search queue is full", _LATER_S, Why.BUSY)
    return None


def _unreadable(causes: list[tuple[str, str]]) -> SourceUnavailable | None:
    """Trouble of an index: a field that cannot be counted, or shards that are nowhere."""
    fields = [field[1] for _, reason in causes if (field := _NEEDS_KEYWORD.search(reason))]
    if fields:
        uncounted = f"the field {fields[0]} is text and cannot be counted: it has to be a keyword"
        return SourceUnavailable(uncounted, why=Why.REFUSED)
    for kind, reason in causes:
        if kind.startswith("no_shard") or "missing shards" in reason or reason == "all shards failed":
            return SourceUnavailable("no shard of the index is available (its health is red)", why=Why.NO_DATA)
    return None


def shortfall(reply: Mapping[str, Any]) -> str:
    """Why a reply with status 200 is only a part of the answer; "" when it is whole."""
    shards = reply.get("_shards") or {}
    total = int(shards.get("total", 0))
    # OpenSearch counts a shard that is nowhere as neither successful nor failed
    absent = max(int(shards.get("failed", 0)), total - int(shards.get("successful", total)))
    if absent:
        return f"{absent} of {total} shards did not answer: {_failure(shards.get('failures') or ())}"
    return "the search ran out of time and answered in part" if reply.get("timed_out") else ""


def is_silent(reply: Mapping[str, Any]) -> bool:
    """Whether not one shard answered, although the status is 200, as OpenSearch has it of a red index."""
    shards = reply.get("_shards") or {}
    return bool(shards.get("total")) and not shards.get("successful", 1)


def _failure(failures: Any) -> str:
    for failure in failures:
        told = refusal(200, {"error": failure.get("reason") or {}})
        reason = "no shard of the index is available" if _gone(failure) else str(told)
        return f"{reason} ({failure.get('index', '?')})"
    return "no shard of the index is available"


def _gone(failure: Mapping[str, Any]) -> bool:
    return failure.get("node") is None


def _causes(body: Any) -> Iterator[tuple[str, str]]:
    """Every (type, reason) in an error, the outermost first."""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(error, Mapping):
        if error:
            yield "", str(error)
        return
    yield str(error.get("type") or ""), str(error.get("reason") or "")
    for inner in (*(error.get("root_cause") or ()), error.get("caused_by"), *_reasons(error)):
        if isinstance(inner, Mapping):
            yield from _causes(inner)


def _reasons(error: Mapping[str, Any]) -> list[Any]:
    return [shard.get("reason") for shard in error.get("failed_shards") or ()]


def _said(causes: list[tuple[str, str]]) -> str:
    """The first reason that says more than that something failed."""
    telling = [reason for _, reason in causes if reason and reason != "all shards failed"]
    text = " ".join((telling or [reason for _, reason in causes if reason] or [""])[0].split())
    return text if len(text) <= MOST_CHARS else f"{text[: MOST_CHARS - 1]}…"
