"""Valid OpenSLO documents as plain values, to be changed by tests: small, and in the shapes that go-sdk's tests use."""

from __future__ import annotations

import copy
from typing import Any

import yaml

from topology.slo.openslo.documents import Document, House, Read, read
from topology.slo.openslo.place import spelled
from topology.slo.windows import Windows, read_windows

WINDOWS_TEXT = """
periods:
  30d:
    rules:
      - {severity: page, long: 1h, short: 5m, budget_percent: 2}
      - {severity: ticket, long: 3d, short: 6h, budget_percent: 10}
"""
WINDOWS: Windows = read_windows(yaml.safe_load(WINDOWS_TEXT))[0]
HOUSE = House(WINDOWS)

RATIO = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: web-availability, labels: {team: [team-a, team-b], env: prod}}
spec:
  service: web
  indicator:
    metadata: {name: web-answered}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: synoptic, spec: {service: web, events: successes}}}
        total: {metricSource: {type: synoptic, spec: {service: web, events: calls}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Timeslices
  objectives: [{displayName: Good, target: 0.995, timeSliceTarget: 0.95, timeSliceWindow: 1m}]
"""
THRESHOLD = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: annotator-throughput}
spec:
  service: annotator
  indicator:
    metadata: {name: annotator-rate}
    spec:
      thresholdMetric: {metricSource: {type: synoptic, spec: {service: annotator, measure: calls_per_s}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{displayName: Good, op: gte, value: 10, target: 0.995}]
"""
SLI = """
apiVersion: openslo/v1
kind: SLI
metadata: {name: my-sli}
spec:
  ratioMetric:
    counter: true
    good: {metricSource: {type: synoptic, spec: {service: web, events: successes}}}
    total: {metricSource: {type: synoptic, spec: {service: web, events: calls}}}
"""
POLICY = """
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: low-priority}
spec:
  alertWhenBreaching: true
  conditions: [{conditionRef: fast-burn}]
  notificationTargets: [{targetRef: on-call}]
"""
CONDITION = """
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast-burn}
spec:
  severity: page
  condition: {kind: burnrate, op: gte, threshold: 2, lookbackWindow: 1h, alertAfter: 5m}
"""
TARGET = """
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: on-call}
spec: {target: pagerduty}
"""
GONE = object()


def plain(text: str) -> Any:
    """The values of a document."""
    return yaml.safe_load(text)


def changed(value: Any, path: str, new: Any) -> Any:
    """The document with another value at a path such as `spec.objectives.0.target`; GONE takes the key away."""
    document = copy.deepcopy(value)
    level = document
    *above, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    for key in above:
        level = level[key]
    if new is GONE:
        del level[last]
    else:
        level[last] = new
    return document


def reading(*values: Any, house: House = HOUSE) -> Read:
    """What documents say that stand in files a, b, c, ..."""
    return read([Document(chr(97 + number), value) for number, value in enumerate(values)], house)


def noted(found: Read, warning: bool = False) -> list[tuple[str, str]]:
    """(path, rule) of the faults, or of the warnings."""
    return [(spelled(note.path), note.rule) for note in found.findings if note.warning is warning]
