"""GitLab's webhooks: deployment and pipeline events (docs.gitlab.com, user/project/integrations/webhook_events).

A deployment that a job makes comes in both; it is one change, known by its job. Of a pipeline only the jobs that start
something in an environment count: tests and builds change nothing that runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.changes.documents import inner, last_part, mapping, moment_s, objects, text
from app.changes.told import Misread, Told
from topology.changes import ChangeKind, Outcome

OUTCOMES = {"success": Outcome.SUCCEEDED, "failed": Outcome.FAILED, "running": Outcome.RUNNING}
NEVER_BEGUN = ("created", "pending", "manual", "skipped", "waiting_for_resource", "preparing", "scheduled", "blocked")


def read(document: Mapping[str, Any], now_s: float) -> list[Told]:
    """The changes that a document tells of; none for events of another kind."""
    kind = text(document, "object_kind", needed=True)
    if kind == "deployment":
        return _deployment(document, now_s)
    return _pipeline(document, now_s) if kind == "pipeline" else []


def _deployment(document: Mapping[str, Any], now_s: float) -> list[Told]:
    status = text(document, "status", needed=True)
    if status in NEVER_BEGUN:
        return []
    changed_s = _moment(document, "status_changed_at") or now_s
    job, project = text(document, "deployable_id"), text(document, "project", "id", needed=True)
    number = f"job/{job}" if job else f"deployment/{text(document, 'deployment_id', needed=True)}"
    version = text(document, "ref") or text(document, "short_sha")
    ended_s = None if status == "running" else changed_s
    return [_told(document, f"{project}/{number}", changed_s, version, status, ended_s,
                  environment=text(document, "environment"),
                  title=text(document, "commit_title"), link=text(document, "deployable_url"))]


def _pipeline(document: Mapping[str, Any], now_s: float) -> list[Told]:
    project, told = text(document, "project", "id", needed=True), []
    attributes = mapping(document.get("object_attributes"), "object_attributes")
    version = text(attributes, "ref") if inner(attributes, "tag") else text(attributes, "sha")[:8]
    title = text(document, "commit", "title") or text(document, "commit", "message").partition("\n")[0]
    for job in objects(document.get("builds"), "builds"):
        status = text(job, "status", needed=True)
        if inner(job, "environment", "action") == "start" and status not in NEVER_BEGUN:
            begun_s = _moment(job, "started_at") or _moment(job, "created_at") or now_s
            link = f"{text(document, 'project', 'web_url')}/-/jobs/{text(job, 'id', needed=True)}"
            told.append(_told(document, f"{project}/job/{text(job, 'id')}", begun_s, version, status,
                              _moment(job, "finished_at"), environment=text(job, "environment", "name"), title=title,
                              link=link))
    return told


def _told(document: Mapping[str, Any], uid: str, at_s: float, version: str, status: str, ended_s: float | None,
          environment: str, title: str, link: str) -> Told:
    subject = text(document, "project", "path_with_namespace") or text(document, "project", "name", needed=True)
    names = (last_part(subject), text(document, "project", "name"))
    host = text(document, "project", "web_url").partition("://")[2].partition("/")[0]
    return Told(subject, at_s, ChangeKind.DEPLOYMENT, title or version, "gitlab", names, f"{host}/{uid}", environment,
                version, text(document, "user", "name") or text(document, "user", "username"), link,
                OUTCOMES.get(status, Outcome.UNKNOWN), ended_s)


def _moment(document: Mapping[str, Any], key: str) -> float | None:
    """GitLab writes `2021-04-28 21:50:00 +0200` or `2016-08-12 15:23:28 UTC`, newer versions ISO 8601."""
    try:
        return moment_s(document, key, offset="+00:00")
    except Misread as wrong:
        raise Misread(key, "expected a moment as GitLab writes it, such as 2021-04-28 21:50:00 +0200") from wrong
