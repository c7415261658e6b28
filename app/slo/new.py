"""`synoptic slo new`: a complete, commented document from a few flags, for people who do not know OpenSLO."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.slo.documents import File, read_text
from app.slo.faults import refusal_of
from topology.errors import ConfigurationError, Fault
from topology.slo.openslo.documents import Document, Finding, House, read
from topology.slo.openslo.place import NAME, NAME_WORDS
from topology.slo.windows import Windows

FLAGS = {
    "target": "--target", "targetPercent": "--target", "timeWindow": "--window", "threshold_ms": "--threshold-ms",
    "service": "--service", "operation": "--operation", "journey": "--journey", "path": "--to", "match": "--match",
    "zone": "--zone", "displayName": "--title", "name": "--name", "startTime": "--window",
}  # fmt: skip
_PERCENT = re.compile(r"\d+(\.\d+)?%", re.ASCII)
_NUMBER = re.compile(r"\d+(\.\d+)?|\.\d+", re.ASCII)

TEMPLATE = """\
# {summary}
# Written by `synoptic slo new`. Everything that can be said here: docs/slo.md; `synoptic check` names every fault.
apiVersion: openslo/v1
kind: SLO
metadata:
  name: {name}
  displayName: {title}
  annotations:
    # What minutes without data count as: ignore, good or bad.
    synoptic/missing: ignore
    # Fewer bad events than these in the long window raise no alert.
    synoptic/min-bad-events: "3"
spec:
  description: {summary_text}
  # Under which service the objective is listed.
  service: {service}
  indicator:
    metadata:
      name: {name}
    spec:
      ratioMetric:
        counter: true
        # {good_words}
        good: {{metricSource: {{type: synoptic, spec: {good}}}}}
        total: {{metricSource: {{type: synoptic, spec: {total}}}}}
  timeWindow:
    # The time the budget is for, always counted back from now.
    - duration: {window}
      isRolling: true
  # Occurrences counts events; Timeslices and RatioTimeslices count stretches of time.
  budgetingMethod: Occurrences
  objectives:
    - {target_key}: {target}
"""


def document(arguments: Namespace, windows: Windows) -> tuple[str, tuple[Finding, ...]]:
    """The text of a valid document, and what is doubtful about it; raises ConfigurationError naming the flag at
    fault."""
    text = _written(arguments)
    file = read_text(Path("the new document"), text)
    refusal = refusal_of(file)
    if refusal:
        raise ConfigurationError((Fault("the new document", refusal.expected, refusal.found),))
    found = _read(file, windows)
    faults = tuple(dict.fromkeys(_fault(finding) for finding in found if not finding.warning))
    if faults:
        raise ConfigurationError(faults)
    return text, found


def _read(file: File, windows: Windows) -> tuple[Finding, ...]:
    return read([Document(str(file.path), value) for value in file.documents], House(windows)).findings


def _written(arguments: Namespace) -> str:
    selection = _selection(arguments)
    quick = arguments.threshold_ms is not None
    good = {"events": "faster_than", "threshold_ms": _Bare(_number(arguments))} if quick else {"events": "successes"}
    kind = "latency" if quick else "availability"
    key, target = _target(arguments.target)
    about = _about(arguments)
    name = arguments.name or _name(about, kind)
    words = f"end within {arguments.threshold_ms} ms" if quick else "do not fail"
    summary = f"{arguments.target} of the calls of {about} {words}, over {arguments.window}"
    return TEMPLATE.format(
        summary=" ".join(summary.split()), summary_text=_quoted(f"Calls of {about} {words}."), name=_quoted(name),
        title=_quoted(arguments.title or name), service=_quoted(arguments.service or _first(arguments.match)),
        good_words="Every call that ended in time, failed or not: failures are another objective." if quick else
        "Every call that did not fail; turned away on purpose is not failed.",
        good=_flow({**selection, **good}), total=_flow({**selection, "events": "calls"}),
        window=_quoted(arguments.window), target_key=key, target=target,
    )  # fmt: skip


def _selection(arguments: Namespace) -> dict[str, Any]:
    if bool(arguments.service) == bool(arguments.match):
        raise _refused("--service", "either --service or --match", "both" if arguments.service else "neither")
    if arguments.to and not arguments.service:
        raise _refused("--to", "--service beside it, for the calls from there", "none")
    if arguments.match:
        found: dict[str, Any] = {"match": dict(_fact(text) for text in arguments.match)}
    elif arguments.to:
        found = {"path": {"from": arguments.service, "to": arguments.to}}
    else:
        found = {"service": arguments.service}
    given = {key: getattr(arguments, key) for key in ("operation", "journey", "zone")}
    return found | {key: value for key, value in given.items() if value}


def _fact(text: str) -> tuple[str, str]:
    fact, equals, pattern = text.partition("=")
    if not equals or not fact or not pattern:
        raise _refused("--match", "FACT=PATTERN such as domain=payments", repr(text))
    return fact, pattern


def _target(text: str) -> tuple[str, str]:
    if _PERCENT.fullmatch(text):
        return "targetPercent", text.removesuffix("%")
    if not _NUMBER.fullmatch(text):
        raise _refused("--target", "a share such as 0.999, or a percentage such as 99.9%", repr(text))
    return "target", text


def _number(arguments: Namespace) -> str:
    text = str(arguments.threshold_ms)
    if not _NUMBER.fullmatch(text):
        raise _refused("--threshold-ms", "a number of milliseconds", repr(text))
    return text


def _about(arguments: Namespace) -> str:
    words = arguments.operation or arguments.journey or ""
    to = f"to {arguments.to}" if arguments.to else ""
    zone = f"in zone {arguments.zone}" if arguments.zone else ""
    return " ".join(word for word in (arguments.service or " ".join(arguments.match), to, words, zone) if word)


def _name(about: str, kind: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", about.lower()).strip("-")[: 62 - len(kind)].strip("-")
    name = f"{slug}-{kind}"
    if not slug or NAME.fullmatch(name) is None:
        raise _refused("--name", NAME_WORDS, "none, and none can be made of the rest")
    return name


def _first(match: list[str]) -> str:
    return _fact(match[0])[1]


class _Bare(str):
    """Text that is written without quotes."""

    __slots__ = ()


def _flow(value: Mapping[str, Any]) -> str:
    """A mapping on one line of YAML."""
    parts = (f"{key}: {_flow(item) if isinstance(item, Mapping) else _quoted(item)}" for key, item in value.items())
    return "{" + ", ".join(parts) + "}"


def _quoted(text: str) -> str:
    """A text as YAML has it: bare where it is a plain word, otherwise in quotes, which JSON and YAML share."""
    if isinstance(text, _Bare):
        return str(text)
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_\-]*", text, re.ASCII)
    return text if plain and text.lower() not in _SPECIAL else json.dumps(text, ensure_ascii=False)


_SPECIAL = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def _refused(flag: str, expected: str, found: str) -> ConfigurationError:
    return ConfigurationError((Fault(flag, expected, found),))


def _fault(finding: Finding) -> Fault:
    words = [str(key) for key in reversed(finding.path)]
    flag = next((FLAGS[word] for word in words if word in FLAGS), ".".join(reversed(words)))
    return Fault(flag, finding.expected, finding.found)
