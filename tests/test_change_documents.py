"""What documents about changes say: GitLab's, Jenkins', Argo CD's, Nacos' and our own; which service is meant."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from app.changes import argocd, gitlab, jenkins, nacos, plain
from app.changes.naming import Naming, Rule, by_name
from app.changes.told import Misread, Told
from topology.changes import ChangeKind, Outcome
from topology.model import Kind, Service

FOLDER = Path(__file__).parent / "changes"
NOW_S = 1_800_000_000.0
AT_S = 1_767_254_400.0  # 2026-01-01 08:00 UTC
ORDERS, LEDGER = Service("prod", "payments", "orders"), Service("prod", "core", "ledger")
OTHERS = Service("test", "payments", "orders"), Service("prod", "core", "ledger", Kind.DATABASE)
KNOWN = by_name([ORDERS, LEDGER, *OTHERS])


def document(name: str, **changed: Any) -> dict[str, Any]:
    """A document as its sender sends it; `a__b` changes what stands there."""
    found: dict[str, Any] = deepcopy(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))
    for path, value in changed.items():
        place = found
        *way, last = path.split("__")
        for word in way:
            place = place[word]
        place[last] = value
    return found


def test_a_deployment_of_gitlab() -> None:
    """Project, environment, version, author, link, outcome and time are those of the deployment event."""
    assert gitlab.read(document("gitlab-deployment"), NOW_S) == [Told(
        "payments/orders", AT_S + 270, ChangeKind.DEPLOYMENT, "Limit retries of payment calls", "gitlab",
        ("orders", "Orders"), "git.bank.example/30/job/20796", "production", "v1.4.2", "Chen Wei",
        "https://git.bank.example/payments/orders/-/jobs/20796", Outcome.SUCCEEDED, AT_S + 270)]


def test_a_running_deployment_of_gitlab_is_the_same_as_the_one_that_ended() -> None:
    """Running, failed and canceled have the uid of the job; by API a deployment has no job, and is known by its own."""
    told = {status: gitlab.read(document("gitlab-deployment", status=status), NOW_S)[0]
            for status in ("running", "success", "failed", "canceled")}
    assert {one.identity for one in told.values()} == {"gitlab/git.bank.example/30/job/20796"}
    assert [one.outcome for one in told.values()] == [
        Outcome.RUNNING, Outcome.SUCCEEDED, Outcome.FAILED, Outcome.UNKNOWN]
    assert told["running"].ended_s is None
    by_api = gitlab.read(document("gitlab-deployment", deployable_id=None, deployable_url=None, ref=None), NOW_S)[0]
    assert (by_api.uid, by_api.version, by_api.link) == ("git.bank.example/30/deployment/415", "279484c0", "")
    assert gitlab.read(document("gitlab-deployment", status="created"), NOW_S) == []


def test_a_pipeline_of_gitlab_tells_of_its_deploying_jobs_only() -> None:
    """Builds and jobs that wait for a person are no changes; a job that deploys is the one of the deployment event."""
    assert gitlab.read(document("gitlab-pipeline"), NOW_S) == [Told(
        "payments/orders", AT_S + 312, ChangeKind.DEPLOYMENT, "Ask the ledger once", "gitlab", ("orders", "Orders"),
        "git.bank.example/30/job/20798", "production", "bcbb5ec3", "Chen Wei",
        "https://git.bank.example/payments/orders/-/jobs/20798", Outcome.FAILED, AT_S + 389)]
    assert gitlab.read({"object_kind": "push", "ref": "refs/heads/main"}, NOW_S) == []


def test_a_build_of_jenkins() -> None:
    """Folder and job, parameters, duration, culprits and outcome are those of the Notification plugin."""
    assert jenkins.read(document("jenkins"), NOW_S) == [Told(
        "payments/deploy-orders", AT_S, ChangeKind.DEPLOYMENT, "deploy-orders #18", "jenkins",
        ("deploy-orders", "orders", "deploy-orders", "deploy-orders"), "payments/deploy-orders#18", "production",
        "1.4.2", "Li Na", "https://ci.bank.example/job/payments/job/deploy-orders/18/", Outcome.SUCCEEDED,
        AT_S + 61.5)]


def test_phases_of_a_build_of_jenkins_are_one_change() -> None:
    """STARTED runs, whatever the status of the build before; QUEUED is none; without parameters the commit is told."""
    started, = jenkins.read(document("jenkins", build__phase="STARTED"), NOW_S)
    done, = jenkins.read(document("jenkins", build__phase="FINALIZED", build__status="FAILURE"), NOW_S)
    assert started.identity == done.identity
    assert (started.outcome, started.ended_s, done.outcome) == (Outcome.RUNNING, None, Outcome.FAILED)
    assert jenkins.read(document("jenkins", build__phase="QUEUED"), NOW_S) == []
    bare, = jenkins.read({"name": "orders", "url": "job/orders/", "build": {
        "number": 3, "phase": "COMPLETED", "status": "ABORTED", "scm": {"commit": "c6d86dc654b12425"}}}, NOW_S)
    assert (bare.subject, bare.version, bare.outcome, bare.at_s) == ("orders", "c6d86dc6", Outcome.UNKNOWN, NOW_S)


def test_a_sync_of_argo_cd() -> None:
    """Application, images, revision, who began it and how it ended are those of the Application."""
    assert argocd.read(document("argocd"), NOW_S) == [Told(
        "payments/orders", AT_S, ChangeKind.DEPLOYMENT, "orders:1.4.2", "argocd", ("orders", "orders"),
        f"argocd/orders/{int(AT_S)}", "production", "1.4.2", "li.na",
        "https://argocd.bank.example/applications/argocd/orders", Outcome.SUCCEEDED, AT_S + 42)]


def test_a_sync_that_left_the_application_degraded_has_failed() -> None:
    """Health counts besides the phase; several images are no version, and no operation is no change."""
    degraded, = argocd.read(document("argocd", app__status__health={"status": "Degraded"}), NOW_S)
    two, = argocd.read(document("argocd", app__status__summary={"images": ["a/x:1", "a/y:2@sha256:00"]},
                                app__status__operationState__phase="Error"), NOW_S)
    assert (degraded.outcome, two.outcome) == (Outcome.FAILED, Outcome.FAILED)
    assert (two.title, two.version) == ("x:1, y:2", "53e28ff2")
    assert argocd.read(document("argocd", app__status__operationState=None), NOW_S) == []


def test_a_configuration_change_of_nacos_without_its_content() -> None:
    """Data id, group, namespace, person and time are told; the content, which may hold secrets, is in no field."""
    told, = nacos.read(document("nacos"), NOW_S)
    assert told == Told(
        "production/DEFAULT_GROUP/orders-prod.yaml", AT_S, ChangeKind.CONFIGURATION, "orders-prod.yaml · DEFAULT_GROUP",
        "nacos", ("orders-prod", "orders"), f"production/DEFAULT_GROUP/orders-prod.yaml/{int(AT_S)}", "production", "",
        "li.na", "", Outcome.SUCCEEDED, AT_S)
    assert "hunter2" not in repr(told)
    gone, = nacos.read(document("nacos", action="removeSingleByHttp", modifyTime=None, utcOffset="+00:00"), NOW_S)
    assert (gone.title, gone.at_s) == ("orders-prod.yaml − · DEFAULT_GROUP", NOW_S)
    assert nacos.read(document("nacos", rs=False, errorMsg="refused"), NOW_S) == []


MISFITS: list[tuple[Any, dict[str, Any], str]] = [
    (gitlab.read, {}, "object_kind"), (gitlab.read, {"object_kind": "deployment"}, "status"),
    (gitlab.read, document("gitlab-deployment", status_changed_at="yesterday"), "status_changed_at"),
    (gitlab.read, document("gitlab-deployment", project={"id": 1}), "project.name"),
    (gitlab.read, document("gitlab-pipeline", builds={"a": 1}), "builds"),
    (gitlab.read, document("gitlab-pipeline", builds=[7]), "builds[0]"),
    (jenkins.read, {"name": "x"}, "build"), (jenkins.read, {"name": "x", "build": {"phase": []}}, "phase"),
    (argocd.read, {"message": "deployed"}, "app"), (argocd.read, document("argocd", app__metadata={}), "metadata.name"),
    (nacos.read, {"action": "x"}, "dataId"), (nacos.read, document("nacos", modifyTime="noon"), "modifyTime"),
]


@pytest.mark.parametrize(("read", "sent", "key"), MISFITS, ids=[f"{n}-{key}" for n, (_, _, key) in enumerate(MISFITS)])
def test_a_document_of_another_shape_is_refused_by_key(read: Any, sent: dict[str, Any], key: str) -> None:
    """What is missing or of the wrong type is named."""
    with pytest.raises(Misread) as refused:
        read(sent, NOW_S)
    assert refused.value.key == key


def test_our_own_document() -> None:
    """All keys are read; one that says only a version is a deployment of now."""
    full = {"service": "orders", "at": "2026-01-01T16:00:00+08:00", "kind": "scaling", "title": "2 more",
            "version": "7", "author": "chen", "link": "https://x.example/1", "outcome": "failed", "ended": AT_S + 5,
            "uid": "u", "environment": "prod"}  # fmt: skip
    assert plain.read(full, NOW_S) == [Told(
        "orders", AT_S, ChangeKind.SCALING, "2 more", "api", ("orders",), "u", "prod", "7", "chen",
        "https://x.example/1", Outcome.FAILED, AT_S + 5)]
    bare, other = plain.read([{"version": "1"}, {"version": "1", "at": AT_S * 1000}], NOW_S)
    assert (bare.title, bare.at_s, bare.kind, bare.names) == ("1", NOW_S, ChangeKind.DEPLOYMENT, ())
    assert other.at_s == AT_S


def test_the_derived_uid_is_that_of_the_same_change() -> None:
    """Told again with its end a change is the same; another time, service, kind, title or version is another one."""
    base = {"service": "orders", "at": AT_S, "version": "1"}
    same = [base, {**base, "outcome": "failed"}, {**base, "ended": AT_S + 1}, {**base, "link": "https://x.example"}]
    others = [{**base, "at": AT_S + 1}, {**base, "service": "web"}, {**base, "kind": "restart"},
              {**base, "title": "x"}, {**base, "version": "2"}]  # fmt: skip
    assert len({one.identity for one in plain.read(same, NOW_S)}) == 1
    assert len({one.identity for one in plain.read([base, *others], NOW_S)}) == 6


@pytest.mark.parametrize(("sent", "key"), [
    ({"version": "1", "sevice": "x"}, "sevice"), ({}, "title"), ({"version": "1", "at": "yesterday"}, "at"),
    ({"version": "1", "at": "2026-01-01T00:00:00"}, "at"), ({"version": "1", "at": True}, "at"),
    ({"version": "1", "at": -5}, "at"), ({"version": "1", "at": 1e30}, "at"), ({"version": {"a": 1}}, "version"),
    ({"version": "1", "kind": "party"}, "kind"), ({"version": "1", "outcome": "ok"}, "outcome"),
    ({"version": "1", "link": "javascript:alert(1)"}, "link"), ({"title": "x" * 301}, "title"),
    ({"version": "1", "at": AT_S, "ended": AT_S - 1}, "ended"),
    ([{"version": "1"}, {"version": "1", "kind": 3}], "[1].kind"),
    ([7], "[0]"), ("text", ""), ([{"version": "1"}] * 1001, ""),
])  # fmt: skip
def test_our_own_document_at_fault_is_refused_by_key(sent: Any, key: str) -> None:
    """A typing error is never silently something else."""
    with pytest.raises(Misread) as refused:
        plain.read(sent, NOW_S)
    assert refused.value.key == key


def found(subject: str, *rules: Rule, names: tuple[str, ...] = (), source: str = "gitlab",
          environment: str = "production") -> list[Service | None]:
    """Which service a subject stands for."""
    told = Told(subject, AT_S, ChangeKind.DEPLOYMENT, "x", source, names, environment=environment)
    return [service for _, service in Naming(rules, "prod", lambda: KNOWN).find([told])]


def test_without_rules_equal_names_decide() -> None:
    """Whole subject, last part, then other names, in either case, of our environment first, services before stores;
    a name nobody knows is a service of our environment all the same, and configuration of many belongs to none."""
    assert found("orders") == found("payments/orders", names=("orders",)) == [ORDERS]
    assert found("x", names=("", "ORDERS")) == [ORDERS]
    assert found("ledger") == [LEDGER]
    assert found("web/portal", names=("portal", "Portal")) == [Service("prod", "", "portal")]
    assert found("prod/payments/orders") == [ORDERS]
    assert found("group/sub/portal", names=("portal",)) == [Service("prod", "", "portal")]
    assert found("group/sub/portal", source="api") == [Service("group", "sub", "portal")]
    assert found("public/DEFAULT/shared.yaml", names=("shared",), source="nacos") == [None]
    assert found("", source="api") == [None]


def test_rules_decide_before_names() -> None:
    """The first that fits; a star in the service stands for what the first star of the pattern stood for."""
    star = Rule("pay*/*-service", "*ments")
    assert Rule("bank/*-deploy", "*").named("bank/orders-deploy") == "orders"
    assert star.named("payx/y-service") == "xments"
    assert found("bank/orders-deploy", Rule("bank/*-deploy", "*"), names=("orders-deploy",)) == [ORDERS]
    assert found("anything", Rule("*", "prod/core/ledger")) == [LEDGER]
    assert found("a.b", Rule("a?b", "orders")) == [ORDERS]
    assert found("a.b", Rule("a+b", "orders")) == [Service("prod", "", "a.b")]


def test_rules_may_be_about_a_source_or_environment_and_may_ignore() -> None:
    """What is ignored is left out; a rule for another source or environment does not fit."""
    assert found("orders", Rule("*", environment="staging*", ignore=True), environment="staging-2") == []
    assert found("orders", Rule("*", environment="staging*", ignore=True)) == [ORDERS]
    assert found("orders", Rule("*", "ledger", source="jenkins")) == [ORDERS]
    assert found("orders", Rule("*", "ledger", source="gitlab")) == [LEDGER]


def test_a_name_of_several_services_is_refused() -> None:
    """It is said which ids there are; the id then decides."""
    twice = by_name([ORDERS, Service("prod", "shop", "orders")])
    naming = Naming((), "prod", lambda: twice)
    told = Told("orders", AT_S, ChangeKind.OTHER, "x", "api")
    with pytest.raises(Misread, match="prod/payments/orders, prod/shop/orders") as refused:
        naming.find([told])
    assert refused.value.key == "service"
    assert naming.find([Told(ORDERS.id, AT_S, ChangeKind.OTHER, "x", "api")])[0][1] == ORDERS
