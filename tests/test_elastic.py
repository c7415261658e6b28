"""How a cluster is asked: flavours, logins, refusals in plain words, a ceiling, bounded replies."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elastic_cluster import EXPIRED, Cluster, serving

from collectors.config import Secret
from collectors.elastic import transport
from collectors.elastic.cluster import connect
from collectors.elastic.connection import Connection
from collectors.elastic.refusals import NoSuchIndex, PointExpired, ReplyTooLarge, TooManyBuckets, refusal, shortfall
from collectors.elastic.walking import Walk
from topology.errors import SourceUnavailable

SAMPLES = Path(__file__).parent.parent.parent / "shared" / "samples" / "elasticsearch-live"
KEYWORD = {"properties": {"@timestamp": {"type": "date"}, "n": {"type": "long"}}}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster with one index of 25 documents."""
    with serving(Cluster()) as running:
        running.put("numbers", KEYWORD, [{"@timestamp": 1000 * n, "n": n} for n in range(25)])
        yield running


def told(name: str) -> list[tuple[str, dict[str, Any]]]:
    """(folder, reply) of a recorded exchange with every real server that has it."""
    paths = SAMPLES.glob(f"*/{name}.json")
    found = [(path.parent.name, json.loads(path.read_text(encoding="utf-8"))) for path in paths]
    if not found:
        pytest.skip(f"no recordings of real servers beside the checkout: {SAMPLES}")
    return found


@pytest.mark.parametrize(("number", "distribution", "flavour", "by_client"), [
    ("7.17.28", "", "elasticsearch", True), ("8.19.0", "", "elasticsearch", True),
    ("9.1.0", "", "elasticsearch", True), ("7.10.2", "", "elasticsearch", False),
    ("2.19.1", "opensearch", "opensearch", False),
])
def test_the_flavour_decides_how_a_server_is_asked(cluster, number, distribution, flavour, by_client):
    """Elasticsearch is asked by its own client, which names its version; everything else gets plain JSON."""
    cluster.number, cluster.distribution = number, distribution
    asked = connect(Connection(hosts=(cluster.url,)), lambda: 0.0)
    assert asked.search("numbers", {"size": 1})["hits"]["hits"]
    assert (asked.flavour, asked.version[0]) == (flavour, int(number.partition(".")[0]))
    plain, search = cluster.headers[0], cluster.headers[-1]
    assert plain["accept"] == "application/json"
    assert ("compatible-with=8" in search["content-type"]) == by_client
    asked.close()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_login_decides_no_flavour_and_says_what_to_check(cluster, status):
    """401 and 403 come without the name of the product; once the login holds, the same object works."""
    denied = (status, {"error": {"type": "security_exception", "reason": "action [indices:data/read] is unauthorized"}})
    cluster.troubles = [denied, denied]
    asked = connect(Connection(hosts=(cluster.url,)), lambda: 0.0)
    with pytest.raises(SourceUnavailable, match=f"login.*{status}"):
        asked.search("numbers", {})
    cluster.troubles = []
    assert asked.flavour == "elasticsearch"


def test_a_login_that_may_only_read_is_enough(cluster):
    """Where `GET /` is not allowed, a search says what answers; the version is then not known."""
    cluster.troubles = [(403, {"error": {"type": "security_exception", "reason": "no monitor"}})]
    asked = connect(Connection(hosts=(cluster.url,)), lambda: 0.0)
    assert len(asked.search("numbers", {"size": 3})["hits"]["hits"]) == 3
    assert (asked.flavour, asked.version) == ("elasticsearch", (0, 0))
    searched = [path for method, path, _ in cluster.asked if method == "POST"]
    assert all(path.startswith("/numbers/_search?") for path in searched), "it may search no more than that"


def test_name_and_password_or_an_api_key_are_sent_and_never_shown(cluster):
    """Both kinds of login go into every request; a key of id and secret is encoded."""
    name, key = (base64.b64encode(text).decode() for text in (b"reader:s3cret", b"id:key"))
    for connection, expected in [
        (Connection((cluster.url,), "reader", Secret("s3cret")), f"Basic {name}"),
        (Connection((cluster.url,), api_key=Secret("id:key")), f"ApiKey {key}"),
        (Connection((cluster.url,), api_key=Secret("ZW5jb2RlZA==")), "ApiKey ZW5jb2RlZA=="),
    ]:
        cluster.headers.clear()
        connect(connection, lambda: 0.0).search("numbers", {})
        assert [headers["authorization"] for headers in cluster.headers] == [expected] * 2
        assert "s3cret" not in repr(connection)
        assert "key'" not in repr(connection.api_key)


def test_a_password_that_is_put_right_in_its_file_is_sent_from_then_on(cluster, tmp_path):
    """Without a restart, on both ways to send; while the file is empty or gone, what it said at the start."""
    file = tmp_path / "password"
    for number in ("8.19.0", "7.10.0"):
        file.write_text("wrong\n")
        cluster.number = number
        cluster.headers.clear()
        asked = connect(Connection((cluster.url,), "reader", Secret.from_text("wrong", file)), lambda: 0.0)
        asked.search("numbers", {})
        file.write_text("right\n")
        asked.search("numbers", {})
        file.write_text("")
        asked.search("numbers", {})
        file.unlink()
        asked.search("numbers", {})
        sent = [base64.b64decode(headers["authorization"].removeprefix("Basic ")) for headers in cluster.headers]
        assert sent == [b"reader:wrong", b"reader:wrong", b"reader:right", b"reader:wrong", b"reader:wrong"]


def test_half_a_login_is_a_fault_of_the_configuration():
    """A name without a password, or both kinds of login, is found before anything is asked."""
    assert [key for key, *_ in Connection(username="reader").check()] == ["password"]
    both = Connection(username="reader", password=Secret("x"), api_key=Secret("y"))
    assert [key for key, *_ in both.check()] == ["api_key"]


def test_another_host_is_asked_when_one_is_gone(cluster):
    """With several hosts a dead one costs no answer."""
    asked = connect(Connection(hosts=("http://127.0.0.1:9", cluster.url)), lambda: 0.0)
    for _ in range(4):
        assert asked.search("numbers", {"size": 1})["hits"]["hits"]


def test_what_does_not_answer_or_speaks_no_json_is_said_plainly(cluster):
    """No host, and a page of a login proxy, are no tracebacks."""
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        connect(Connection(hosts=("http://127.0.0.1:9",)), lambda: 0.0).search("x", {})
    cluster.troubles = [(200, b"<html>please log in</html>")]
    with pytest.raises(SourceUnavailable, match="neither Elasticsearch nor OpenSearch"):
        connect(Connection(hosts=(cluster.url,)), lambda: 0.0).search("x", {})


def test_half_a_character_costs_no_more_than_itself():
    """A document may hold a surrogate without its other half, as others wrote it: the rest of the reply is read."""
    reply = rb'{"half": "x\ud800y", "pair": "\ud83d\ude00", "backslash": "\\ud800", "other": "\udc00"}'
    found = transport._Serializer().loads(reply)
    assert found == {"half": "x\ufffdy", "pair": "\U0001f600", "backslash": "\\ud800", "other": "\ufffd"}


def test_no_more_queries_than_the_ceiling_are_made_in_a_minute(cluster):
    """At the ceiling nothing is sent, the error says when to come back, and a minute later all goes on."""
    now_s = [100.0]
    asked = connect(Connection(hosts=(cluster.url,), max_queries=3), lambda: now_s[0])
    asked.search("numbers", {})
    asked.search("numbers", {})
    assert asked.left() == 0
    with pytest.raises(SourceUnavailable, match="ceiling of 3 queries") as refused:
        asked.search("numbers", {})
    assert refused.value.retry_after_s == pytest.approx(60.0)
    assert len(cluster.asked) == 3
    now_s[0] += 60.0
    assert asked.search("numbers", {})
    assert asked.counters() == {"queries": 4.0, "queries_failed": 0.0}


def test_a_reply_beyond_the_bound_is_not_read_and_smaller_pages_are_asked_for(cluster, monkeypatch):
    """A page that is too large is asked for again in parts, and every document comes once."""
    monkeypatch.setattr(transport, "MAX_REPLY_BYTES", 2500)
    asked = connect(Connection(hosts=(cluster.url,)), lambda: 0.0)
    with pytest.raises(ReplyTooLarge):
        asked.search("numbers", {"size": 25})
    walk = Walk(asked, "numbers", {}, limit=25, size=24)
    assert sorted(hit["_source"]["n"] for page in walk.pages() for hit in page.hits) == [*range(25)]
    sizes = [body["size"] for body in cluster.searches() if "pit" in body]
    assert sizes[0] == 24
    assert max(sizes[1:]) == 6


def test_a_point_in_time_that_expires_is_taken_up_again(cluster):
    """What was read before is left out the second time; nothing is lost, nothing comes twice."""
    asked = connect(Connection(hosts=(cluster.url,)), lambda: 0.0)
    seen = []
    for page in Walk(asked, "numbers", {}, limit=25, size=10).pages():
        seen += [hit["_source"]["n"] for hit in page.hits]
        if len(seen) == 10:
            cluster.troubles = [(404, EXPIRED)]
    assert seen == [*range(25)]


def test_a_point_in_time_is_closed_and_opensearch_is_asked_its_way(cluster):
    """OpenSearch has other paths for it, and no `_shard_doc` that tells all documents apart."""
    cluster.number, cluster.distribution = "2.19.1", "opensearch"
    asked = connect(Connection(hosts=(cluster.url,)), lambda: 0.0)
    assert sum(len(page.hits) for page in Walk(asked, "numbers", {}, limit=20, size=5).pages()) == 20
    paths = [(method, path.partition("?")[0]) for method, path, _ in cluster.asked]
    assert ("POST", "/numbers/_search/point_in_time") in paths
    assert paths[-1] == ("DELETE", "/_search/point_in_time")
    assert cluster.searches()[0]["sort"] == [{"_index": "asc"}, {"_seq_no": "asc"}]


@pytest.mark.parametrize("size", [4, 5, 7])
def test_documents_that_share_a_place_in_the_order_are_not_lost_between_pages(cluster, size):
    """OpenSearch numbers the documents of every shard by themselves: three of them are one place."""
    cluster.number, cluster.distribution, cluster.shards = "3.8.0", "opensearch", 3
    asked = connect(Connection(hosts=(cluster.url,)), lambda: 0.0)
    pages = Walk(asked, "numbers", {}, limit=25, size=size).pages()
    assert sorted(hit["_source"]["n"] for page in pages for hit in page.hits) == [*range(25)]


@pytest.mark.parametrize(("name", "kind", "words"), [
    ("pit-expired", PointExpired, "expired"), ("too-many-buckets", TooManyBuckets, "max_buckets"),
    ("breaker-429", SourceUnavailable, "short of memory"), ("search-queue-429", SourceUnavailable, "queue is full"),
    ("bulk-429", SourceUnavailable, "queue is full"), ("red-search", SourceUnavailable, "health is red"),
    ("red-pit", SourceUnavailable, "health is red"), ("missing-index", NoSuchIndex, "no such index"),
    ("composite-on-text-field", SourceUnavailable, "service.name is text and cannot be counted"),
    ("wrong-password", SourceUnavailable, "401"), ("reader-health-refused", SourceUnavailable, "403.*unauthorized"),
    ("bad-query", SourceUnavailable, "answered 400"),
])
def test_refusals_of_real_servers_are_said_in_plain_words(name, kind, words):
    """Recorded replies of every server: the status differs, the sentence does not."""
    for folder, reply in told(name):
        error = refusal(reply["status"], reply["body"])
        assert type(error) is kind, folder
        with pytest.raises(SourceUnavailable, match=words):
            raise error


@pytest.mark.parametrize(("name", "words"), [
    ("red-partial-composite", "1 of 3 shards did not answer: no shard of the index is available"),
    ("composite-mixed-mappings", "1 of 3 shards did not answer: the field service.name is text"),
    ("search-queue-partial", "1 of 2 shards did not answer: the cluster is too busy"),
    ("timed-out", "ran out of time"), ("composite-page-1", ""), ("missing-index-pattern", ""),
])
def test_partial_answers_of_real_servers_are_seen(name, words):
    """200 is no whole answer where shards are missing, whichever way a server says so."""
    for folder, reply in told(name):
        assert (words in shortfall(reply["body"])) if words else (shortfall(reply["body"]) == ""), folder
