"""Jenkins: what its Notification plugin sends, and any of its fields sent by hand (`httpRequest`, Generic webhooks).

Shape: plugins.jenkins.io/notification. Of a build comes STARTED, COMPLETED and FINALIZED, each replacing the one
before; QUEUED is not begun. The plugin sends no version, so it is a parameter of the build, else the commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.changes.documents import inner, last_part, mapping, moment_s, text
from app.changes.told import Told
from topology.changes import ChangeKind, Outcome

OUTCOMES = {"SUCCESS": Outcome.SUCCEEDED, "UNSTABLE": Outcome.SUCCEEDED, "FAILURE": Outcome.FAILED}
VERSIONS = ("VERSION", "version", "RELEASE", "TAG", "GIT_TAG", "IMAGE_TAG")


def read(document: Mapping[str, Any], now_s: float) -> list[Told]:
    """The change that a build is; none for a build that only waits."""
    build = mapping(document.get("build"), "build")
    phase = text(build, "phase", needed=True).upper()
    if phase == "QUEUED":
        return []
    over = phase in ("COMPLETED", "FINALIZED")
    told_s = moment_s(build, "timestamp", offset="+00:00") or now_s
    lasted_s = _number(build, "duration") / 1000
    ended_s = None if not over else told_s + lasted_s if lasted_s else told_s
    outcome = OUTCOMES.get(text(build, "status").upper(), Outcome.UNKNOWN) if over else Outcome.RUNNING
    number = text(build, "number", needed=True)
    return [Told(_job(document), told_s, ChangeKind.DEPLOYMENT, _title(document, build), "jenkins", _names(document),
                 f"{_job(document)}#{number}", _parameter(build, "ENVIRONMENT", "environment", "ENV"),
                 _version(build), _author(build), text(build, "full_url"), outcome, ended_s)]


def _job(document: Mapping[str, Any]) -> str:
    """The job with its folders: `job/bank/job/orders/` is bank/orders."""
    path = text(document, "url").strip("/")
    if path.startswith("job/") and "://" not in path:
        return path.removeprefix("job/").replace("/job/", "/")
    return text(document, "name", needed=True)


def _names(document: Mapping[str, Any]) -> tuple[str, ...]:
    job = last_part(_job(document))
    bare = job.removeprefix("deploy-").removesuffix("-deploy")
    return (job, bare, text(document, "name"), text(document, "display_name"))


def _title(document: Mapping[str, Any], build: Mapping[str, Any]) -> str:
    name = text(document, "display_name") or last_part(_job(document))
    return f"{name} #{text(build, 'number')}"


def _version(build: Mapping[str, Any]) -> str:
    return _parameter(build, *VERSIONS) or text(build, "scm", "commit")[:8]


def _author(build: Mapping[str, Any]) -> str:
    culprits = inner(build, "scm", "culprits")
    named = [str(one) for one in culprits] if isinstance(culprits, list) else []
    return _parameter(build, "BUILD_USER", "BUILD_USER_ID") or ", ".join(named[:3])


def _parameter(build: Mapping[str, Any], *names: str) -> str:
    return next((said for name in names if (said := text(build, "parameters", name))), "")


def _number(build: Mapping[str, Any], key: str) -> float:
    value = build.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0.0
