"""Telling and reading changes over a real server and the real engine: who may, what is refused, what comes back."""

from __future__ import annotations

import csv
import io
import json
import random
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from engine_run import NOW_S, Run
from test_changes_engine import works
from traffic import SECOND, call, request
from web_server import serving

from app.web import WebOptions
from topology.errors import StoreError

FOLDER = Path(__file__).parent / "changes"
ORDERS = "default//orders"
CHANGE = {"service": "orders", "at": NOW_S - 60, "version": "1.4.2", "title": "1.4.1 → 1.4.2", "author": "chen"}


@contextmanager
def told(directory: Path, **options: Any) -> Iterator[tuple[httpx.Client, Run]]:
    """A server over an engine that knows the service orders."""
    run = works(Run(directory), "1")
    with serving(run.engine, WebOptions(**options), run.clock) as client:
        yield client, run


def fails(run: Run) -> None:
    """For a while half of the calls to orders fail, until an alert tells of it."""
    rng = random.Random(3)
    for _ in range(30):
        for number in range(20):
            run.take(request(*call(rng, run.clock.ns() - SECOND, number % 2 == 0)))
        run.step(10)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client on this machine of a server without a token."""
    with told(tmp_path) as (made, _):
        yield made


def document(name: str) -> Any:
    """What the sender of that name sends."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def test_what_is_told_is_there(client: httpx.Client) -> None:
    """One or a list: the answer and what is read later say the same; told again it is one."""
    answer = client.post("/api/v1/changes", json=CHANGE)
    assert answer.status_code == 200, answer.text
    (kept,) = answer.json()["changes"]
    assert kept == {
        "uid": kept["uid"], "at": "2027-01-15T07:59:00.000Z", "kind": "deployment", "title": "1.4.1 → 1.4.2",
        "version": "1.4.2", "author": "chen", "link": None, "outcome": "unknown", "source": "api", "ended": None,
        "service": ORDERS, "service_title": {"en": "orders", "zh": "orders"},
    }  # fmt: skip
    client.post("/api/v1/changes", json=[{**CHANGE, "outcome": "failed"}, {"title": "new network", "kind": "other"}])
    found = client.get("/api/v1/changes").json()
    assert [(one["title"], one["outcome"]) for one in found] == [
        ("new network", "unknown"), ("1.4.1 → 1.4.2", "failed")]
    node = next(one for one in client.get("/api/v1/graph").json()["nodes"] if one["name"] == "orders")
    assert (node["change"]["title"], node["changed_at"]) == ("1.4.1 → 1.4.2", "2027-01-15T07:59:00.000Z")


def test_reading_restricts(client: httpx.Client) -> None:
    """Service, kind, outcome, span and limit; anything else is refused by name."""
    client.post("/api/v1/changes", json=[
        CHANGE, {**CHANGE, "service": "web", "kind": "scaling"},
        {**CHANGE, "at": NOW_S - 8 * 86_400, "outcome": "failed"}])

    def count(query: str) -> int:
        return len(client.get(f"/api/v1/changes?{query}").json())

    assert [count(""), count("from=now-30d"), count("limit=1"), count(f"service={ORDERS}")] == [2, 3, 1, 1]
    assert [count("kind=scaling"), count("from=now-30d&outcome=failed"), count("to=now-1h")] == [1, 1, 0]
    for query, key in (("kind=party", "kind"), ("since=1", "since"), ("from=now&to=now", "from"), ("limit=0", "limit")):
        refused = client.get(f"/api/v1/changes?{query}")
        assert (refused.status_code, refused.json()["key"]) == (400, key)


def test_changes_as_comma_separated_values(client: httpx.Client) -> None:
    """One row a change, and no cell that a spreadsheet takes for a formula."""
    client.post("/api/v1/changes", json={**CHANGE, "title": "=HYPERLINK(1)"})
    rows = list(csv.DictReader(io.StringIO(client.get("/api/v1/changes.csv").text.removeprefix("\ufeff"))))
    assert [(row["service"], row["title"], row["version"]) for row in rows] == [(ORDERS, "'=HYPERLINK(1)", "1.4.2")]


def test_how_often_and_how_well(tmp_path: Path) -> None:
    """A deployment after which a page-level alert of its service began has failed; rates are of whole days; as a file
    too."""
    with told(tmp_path) as (client, run):
        client.post("/api/v1/changes", json=[{**CHANGE, "at": NOW_S - days * 86_400} for days in (0, 3, 6)])
        fails(run)
        assert [one["severity"] for one in client.get("/api/v1/alerts").json()].count("page") > 0
        answer = client.get("/api/v1/changes/delivery?from=now-10d").json()
        (row,) = answer.pop("services")
        assert (answer["days"], answer["failed_within_s"]) == (10.0, 3600.0)
        assert row == {
            "service": ORDERS, "service_title": {"en": "orders", "zh": "orders"}, "deployments": 3, "failed": 1,
            "failure_rate": 1 / 3, "per_day": 0.3, "last": "2027-01-15T08:00:00.000Z"}  # fmt: skip
        sheet = client.get("/api/v1/changes/delivery.csv?from=now-10d").text.splitlines()
        assert sheet[1].startswith(f"{ORDERS},orders,3,1,0.33")
        assert client.get("/api/v1/changes/delivery?form=now-10d").json()["key"] == "form"


@pytest.mark.parametrize(("name", "sender"), [("gitlab-deployment", "gitlab"), ("gitlab-pipeline", "gitlab"),
                                              ("jenkins", "jenkins"), ("argocd", "argocd"), ("nacos", "nacos")])
def test_webhooks_are_received(client: httpx.Client, name: str, sender: str) -> None:
    """The document of each sender becomes a change of the service of that name, once however often it is sent."""
    for _ in range(2):
        answer = client.post(f"/api/v1/changes/{sender}", json=document(name))
        assert answer.status_code == 200, answer.text
    (found,) = client.get("/api/v1/changes?from=2025-12-31T00:00:00Z").json()
    assert (found["service"], found["source"]) == (ORDERS, sender)
    assert "hunter2" not in answer.text


def test_faults_name_the_key(client: httpx.Client) -> None:
    """What is at fault in the document is a problem document with the key; nothing of such a request is kept."""
    for path, body, key in (
        ("", {**CHANGE, "kind": "party"}, "kind"), ("", [CHANGE, {**CHANGE, "sevice": 1}], "[1].sevice"),
        ("/gitlab", {"object_kind": "deployment"}, "status"), ("/argocd", {}, "app"), ("?token=x", CHANGE, "token"),
    ):
        refused = client.post(f"/api/v1/changes{path}", json=body)
        assert (refused.status_code, refused.json()["key"]) == (400, key), refused.text
        assert refused.headers["content-type"] == "application/problem+json"
    for body in (b"{", b"\xff", b"[" * 5000):
        broken = client.post("/api/v1/changes", content=body, headers={"content-type": "application/json"})
        assert (broken.status_code, "no JSON" in broken.json()["detail"]) == (400, True)
    assert client.post("/api/v1/changes/gitlab", json=[1]).status_code == 400
    assert client.get("/api/v1/changes").json() == []


def test_only_json_of_a_bounded_size_from_our_own_pages_or_programs(client: httpx.Client) -> None:
    """A form of another site cannot tell of changes, nor can a body of several megabytes."""
    form = client.post("/api/v1/changes", content=json.dumps(CHANGE), headers={"content-type": "text/plain"})
    other = client.post("/api/v1/changes", json=CHANGE, headers={"origin": "https://evil.example"})
    large = client.post("/api/v1/changes", json={**CHANGE, "title": "x" * 1_100_000})
    assert (form.status_code, other.status_code, large.status_code) == (415, 403, 413)
    assert client.get("/api/v1/changes").json() == []


def test_without_a_token_only_this_machine_may_tell(client: httpx.Client) -> None:
    """Whoever comes through a proxy is somebody else, even if the proxy is on this machine."""
    for header in ("x-forwarded-for", "forwarded", "x-real-ip"):
        refused = client.post("/api/v1/changes", json=CHANGE, headers={header: "for=10.0.0.7"})
        assert (refused.status_code, refused.json()["key"]) == (403, "changes.token")
    assert client.post("/api/v1/changes", json=CHANGE).status_code == 200


def test_with_a_token_everybody_must_show_it(tmp_path: Path) -> None:
    """As bearer, as password, as GitLab sends it, or in the address of a receiver; reading asks for none."""
    basic = b64encode(b"jenkins:s3cret").decode()
    with told(tmp_path, change_token="s3cret") as (client, _):
        for headers in ({}, {"authorization": "Bearer other"}, {"authorization": "Basic ?"},
                        {"x-gitlab-token": "s3cre"}):
            refused = client.post("/api/v1/changes", json=CHANGE, headers=headers)
            assert refused.status_code == 401
            assert "s3cret" not in refused.text
        for headers in ({"authorization": "Bearer s3cret"}, {"authorization": f"Basic {basic}"},
                        {"x-gitlab-token": "s3cret", "x-forwarded-for": "10.0.0.7"}):
            assert client.post("/api/v1/changes", json=CHANGE, headers=headers).status_code == 200
        assert client.post("/api/v1/changes/jenkins?token=s3cret", json=document("jenkins")).status_code == 200
        assert client.get("/api/v1/changes").status_code == 200
    assert "s3cret" not in repr(WebOptions(change_token="s3cret"))


def test_too_many_requests_are_told_to_come_back(tmp_path: Path) -> None:
    """So many a minute are taken; a while later there is room again."""
    with told(tmp_path, changes_per_minute=3) as (client, run):
        answers = [client.post("/api/v1/changes", json={**CHANGE, "uid": str(n)}) for n in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[3].json()["key"] == "changes.per_minute"
        assert int(answers[3].headers["retry-after"]) > 0
        run.clock.now_s += 21
        assert client.post("/api/v1/changes", json=CHANGE).status_code == 200


def test_a_store_that_takes_nothing_is_said(tmp_path: Path) -> None:
    """503, and nothing is shown that would be gone after a restart."""

    def refuse(_commit: object) -> None:
        raise StoreError("full")

    with told(tmp_path) as (client, run):
        run.store.commit = refuse  # type: ignore[method-assign]
        assert client.post("/api/v1/changes", json=CHANGE).status_code == 503
        assert client.get("/api/v1/changes").json() == []


def test_the_description_of_the_interface_has_the_document(client: httpx.Client) -> None:
    """OpenAPI tells every key of the document, and names every receiver."""
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    schema = paths["/api/v1/changes"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"service", "at", "kind", "title", "version", "author", "link", "outcome", "ended", "uid"} <= set(
        schema["anyOf"][0]["properties"])
    assert {f"/api/v1/changes/{name}" for name in ("gitlab", "jenkins", "argocd", "nacos")} <= set(paths)
