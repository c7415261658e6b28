"""Unit tests of Prometheus rules, written by our own evaluator and run by the real promtool."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from slo_series import Series

from topology.slo.burn import RuleTable, rule_table, windows_of
from topology.slo.gliding import firing_over_time
from topology.slo.objectives import Slo
from topology.slo.prometheus import ALERT, EVENTS, GOOD_EVENTS, rules_document

PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None and os.environ.get("CI") != "true", reason="promtool (Debian: prometheus) is not installed"
)


def check_rules(path: Path) -> subprocess.CompletedProcess[str]:
    """What `promtool check rules` says of a file."""
    return _run(["check", "rules", str(path)])


def _run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL, "promtool must be there where CI is true: install Debian's prometheus"
    environment = {**os.environ, "GOGC": "400"}  # a little quicker
    return subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False, env=environment)


def fires(slos: Sequence[Slo], series: Sequence[Series]) -> tuple[RuleTable, npt.NDArray[np.bool_]]:
    """Our answer: rules x minutes, raised at the end of each minute."""
    windows = windows_of(slos)
    table = rule_table(slos, windows)
    total = np.stack([one.total for one in series], axis=1).astype(np.float64)
    good = total - np.stack([one.bad for one in series], axis=1)
    return table, firing_over_time(table, good, total, windows)


def run_rules(
    slos: Sequence[Slo], series: Sequence[Series], expected: npt.NDArray[np.bool_], folder: Path
) -> subprocess.CompletedProcess[str]:
    """What `promtool test rules` says when at every single minute exactly the `expected` alerts must fire.

    `expected` is rules x minutes; the minute that ends at k * 60 s is compared with the evaluation at that instant.
    """
    document = rules_document(slos)
    groups = [group for group in document["groups"] if not group["name"].endswith("-period")]
    (folder / "rules.json").write_text(json.dumps({"groups": groups}), encoding="utf-8")
    alerts = [_alert(rule) for group in groups for rule in group["rules"] if "alert" in rule]
    assert len(alerts) == len(expected)
    minutes = [
        {"eval_time": f"{minute + 1}m", "alertname": ALERT,
         "exp_alerts": [alerts[at] for at in np.flatnonzero(expected[:, minute])]}
        for minute in range(expected.shape[1])
    ]  # fmt: skip
    pairs = zip(slos, series, strict=True)
    samples = [_input(slo, family, values) for slo, one in pairs for family, values in _families(one)]
    test = {"interval": "1m", "input_series": samples, "alert_rule_test": minutes}
    whole = {"rule_files": ["rules.json"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.json").write_text(json.dumps(whole), encoding="utf-8")
    return _run(["test", "rules", str(folder / "test.json")])


def _alert(rule: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]}


def _families(one: Series) -> list[tuple[str, list[int | None]]]:
    return [(EVENTS, one.samples(one.total)), (GOOD_EVENTS, one.samples(one.total - one.bad))]


def _input(slo: Slo, family: str, values: list[int | None]) -> dict[str, str]:
    text = " ".join("_" if value is None else str(value) for value in values)
    return {"series": f'{family}{{slo="{slo.name}"}}', "values": text}


def changes(expected: npt.NDArray[np.bool_]) -> int:
    """How many times an alert begins or ends."""
    return int(np.abs(np.diff(expected.astype(np.int8), axis=1)).sum())
