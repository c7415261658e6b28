"""Argo CD: the body that a template of its notifications sends; docs/changes.md has the template.

The body holds parts of the Application as Argo CD has them (argo-cd.readthedocs.io, Application specification):
`metadata`, `spec.destination` and `status` with `operationState`, `sync`, `health` and `summary.images`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.changes.documents import inner, last_part, mapping, moment_s, text
from app.changes.told import Told
from topology.changes import ChangeKind, Outcome

OUTCOMES = {"Succeeded": Outcome.SUCCEEDED, "Failed": Outcome.FAILED, "Error": Outcome.FAILED,
            "Running": Outcome.RUNNING, "Terminating": Outcome.RUNNING}  # fmt: skip


def read(document: Mapping[str, Any], now_s: float) -> list[Told]:
    """The change that the newest operation of an application is; none for an application that was never synced."""
    app = mapping(document.get("app"), "app")
    operation = inner(app, "status", "operationState")
    if operation is None:
        return []
    name = text(app, "metadata", "name", needed=True)
    begun_s = moment_s(app, "status", "operationState", "startedAt") or now_s
    synced = text(app, "status", "operationState", "syncResult", "revision")
    revision = synced or text(app, "status", "sync", "revision")
    namespace = text(app, "metadata", "namespace")
    return [Told(
        f"{text(app, 'spec', 'project') or namespace}/{name}".lstrip("/"), begun_s, ChangeKind.DEPLOYMENT,
        _title(app, revision), "argocd", (name, text(app, "metadata", "labels", "app.kubernetes.io/name")),
        f"{namespace}/{name}/{int(begun_s)}", text(app, "spec", "destination", "namespace"),
        _version(app) or revision[:8], _author(app), text(document, "link"), _outcome(app),
        moment_s(app, "status", "operationState", "finishedAt"))]


def _outcome(app: Mapping[str, Any]) -> Outcome:
    """A sync that succeeded and left the application degraded has failed."""
    outcome = OUTCOMES.get(text(app, "status", "operationState", "phase"), Outcome.UNKNOWN)
    degraded = text(app, "status", "health", "status") == "Degraded"
    return Outcome.FAILED if degraded and outcome is Outcome.SUCCEEDED else outcome


def _title(app: Mapping[str, Any], revision: str) -> str:
    images = [last_part(image).partition("@")[0] for image in _images(app)]
    return ", ".join(images[:3]) or revision[:8] or text(app, "metadata", "name")


def _version(app: Mapping[str, Any]) -> str:
    """The tag of the only image there is: with several, none is the application's."""
    tags = [last_part(image).partition("@")[0].partition(":")[2] for image in _images(app)]
    return tags[0] if len(tags) == 1 else ""


def _images(app: Mapping[str, Any]) -> list[str]:
    images = inner(app, "status", "summary", "images")
    return [str(image) for image in images] if isinstance(images, list) else []


def _author(app: Mapping[str, Any]) -> str:
    by = inner(app, "status", "operationState", "operation", "initiatedBy")
    if not isinstance(by, Mapping):
        return ""
    return text(by, "username") or ("argocd" if by.get("automated") else "")
