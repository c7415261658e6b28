"""The folder of objectives: lines of faults, hot reload, classes, thresholds, and the objectives of the demo's bank."""

import dataclasses
import os
from decimal import Decimal
from pathlib import Path

import pytest

from app.configuration import load
from app.demo.bank import load_bank
from app.demo.conventions import failed
from app.demo.simulate import Role, simulate
from app.slo.definitions import Definitions, definitions_of, options_of
from topology.errors import ConfigurationError
from topology.slo.objectives import Counted, Ratio, Services

ROOT = Path(__file__).parent.parent
NAMES = ["default-availability", "default-latency", "default-logs"]


def slo(name: str = "orders", target: str = "0.99", extra: str = "", ms: int = 250) -> str:
    """A document of eleven lines; the target stands in the last."""
    spec = f"{{service: orders, events: faster_than, threshold_ms: {ms}}}"
    return f"""apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: orders
  budgetingMethod: Occurrences
  timeWindow: [{{duration: 30d, isRolling: true}}]{extra}
  indicator: {{metadata: {{name: i}}, spec: {{ratioMetric: {{
    good: {{metricSource: {{type: synoptic, spec: {spec}}}}},
    total: {{metricSource: {{type: synoptic, spec: {{service: orders, events: calls}}}}}}}}}}}}
  objectives: [{{target: {target}}}]
"""


class Place:
    """A folder of objectives whose files are changed at chosen seconds, and the definitions that follow it."""

    def __init__(self, folder: Path, **files: str) -> None:
        self.folder = folder / "slos"
        self.second = 0
        for name, text in files.items():
            self.write(f"{name}.yaml", text)
        settings = load(None, {"SYNOPTIC__SLO__DIRECTORY": str(self.folder)})
        self.options = options_of(settings)
        self.definitions = Definitions(self.options)

    def write(self, name: str, text: str) -> None:
        """Writes a file as if a second had passed."""
        self.folder.mkdir(exist_ok=True)
        self.second += 1
        (self.folder / name).write_text(text, encoding="utf-8")
        os.utime(self.folder / name, (self.second, self.second))

    def reload(self, **files: str) -> bool:
        """Writes files and looks at the folder."""
        for name, text in files.items():
            self.write(f"{name}.yaml", text)
        return self.definitions.reload()

    @property
    def slos(self) -> dict[str, str]:
        """The targets in force by name."""
        return {slo.name: str(slo.target) for slo in self.definitions.slos}

    @property
    def faults(self) -> list[str]:
        """The faults as people read them, without the folder."""
        return [str(fault).removeprefix(f"{self.folder}{os.sep}") for fault in self.definitions.faults]


def test_without_a_folder_there_are_none(tmp_path):
    """A product without objectives of its own has the default ones and nothing to complain about."""
    place = Place(tmp_path)
    assert (place.slos, place.faults) == ({}, [])
    assert {word: [one.name for one in slos] for word, slos in place.definitions.defaults.items()} == {
        "": NAMES, "critical": [f"{name}-critical" for name in NAMES], "high": [f"{name}-high" for name in NAMES],
        "low": [f"{name}-low" for name in NAMES], "none": []}  # fmt: skip


def test_folder_that_was_asked_for_and_is_not_there_is_said(tmp_path):
    """A typing error in the path would otherwise be a product that silently promises nothing."""
    [warning] = Place(tmp_path).definitions.warnings
    found = f"none at {tmp_path / 'slos'}"
    assert str(warning) == f"configuration: slo.directory: warning: folder: expected a folder, found {found}"


def test_fault_names_file_line_path_and_rule(tmp_path):
    """One line, from which an editor can jump to the place."""
    place = Place(tmp_path, a=slo(), b=slo("b") + "---\n" + slo("c", "1.5"))
    assert place.faults == [
        "b.yaml:23: spec.objectives[0].target: range: expected a number from 0 to below 1, found 1.5"]  # fmt: skip
    assert place.definitions.faults[0].as_json() == {
        "file": str(place.folder / "b.yaml"), "line": 23, "path": "spec.objectives[0].target", "rule": "range",
        "message": "expected a number from 0 to below 1, found 1.5", "level": "error"}  # fmt: skip


def test_changed_file_takes_effect_and_only_then_the_version_grows(tmp_path):
    """Looking again costs nothing and changes nothing; a new target is in force at once."""
    place = Place(tmp_path, a=slo())
    version = place.definitions.version
    assert not place.reload()
    assert place.reload(a=slo(target="0.999"))
    assert (place.slos, place.definitions.version) == ({"orders": "0.999"}, version + 1)
    assert not place.reload(a=slo(target="0.999"))


def test_bad_new_file_keeps_the_old_one_working(tmp_path):
    """The old objective stays in force until the file is repaired, and the fault is listed until then."""
    place = Place(tmp_path, a=slo(), b=slo("b"))
    for bad in (slo(target="2"), "a: [", slo(extra="\n  unheard: 1")):
        assert place.reload(a=bad)
        assert place.slos == {"orders": "0.99", "b": "0.99"}
        assert [fault.partition(":")[0] for fault in place.faults] == ["a.yaml"]
    assert place.reload(a=slo(target="0.95"))
    assert (place.slos, place.faults) == ({"orders": "0.95", "b": "0.99"}, [])


def test_new_file_at_fault_gives_nothing(tmp_path):
    """Of a file that was never good, not even its good documents are taken: it is all or nothing."""
    place = Place(tmp_path, a=slo())
    place.reload(b=slo("b") + "---\n" + slo("c", "2"))
    assert (place.slos, len(place.faults)) == ({"orders": "0.99"}, 1)


def test_deleted_file_takes_its_objectives_along(tmp_path):
    """Also when it was at fault and an older version was in force."""
    place = Place(tmp_path, a=slo(), b=slo("b"))
    place.reload(a="a: [")
    (place.folder / "a.yaml").unlink()
    assert place.reload()
    assert (place.slos, place.faults) == ({"b": "0.99"}, [])


SLI = """apiVersion: openslo/v1
kind: SLI
metadata: {name: %s}
spec: {ratioMetric: {
  good: {metricSource: {type: synoptic, spec: {service: orders, events: successes}}},
  total: {metricSource: {type: synoptic, spec: {service: orders, events: calls}}}}}
"""
REFERRING = """apiVersion: openslo/v1
kind: SLO
metadata: {name: referring}
spec: {service: orders, indicatorRef: shared, budgetingMethod: Occurrences, objectives: [{target: 0.9999}],
       timeWindow: [{duration: 30d, isRolling: true}]}
"""


def test_bad_file_still_serves_those_who_refer_to_it(tmp_path):
    """While the file with a shared SLI is at fault, its last good version is what others refer to."""
    place = Place(tmp_path, a=SLI % "shared", b=REFERRING)
    place.reload(a="a: [", b=REFERRING.replace("0.9999", "0.9998"))
    assert (place.slos, len(place.faults)) == ({"referring": "0.9998"}, 1)


def test_objective_stays_in_force_when_another_file_takes_its_indicator_away(tmp_path):
    """A shared SLI that was renamed is a fault of who refers to it; what was in force stays."""
    place = Place(tmp_path, a=SLI % "shared", b=REFERRING)
    place.reload(a=SLI % "share")
    assert place.slos == {"referring": "0.9999"}
    hint = "the name of an SLI in this folder (did you mean share?)"
    assert place.faults == [f"b.yaml:4: spec.indicatorRef: reference: expected {hint}, found 'shared'"]
    place.reload(a=SLI % "shared")
    assert place.faults == []


def test_other_files_are_left_alone(tmp_path):
    """Hidden files of editors, other endings and folders are no documents; .yml is one."""
    place = Place(tmp_path, a=slo())
    (place.folder / "sub.yaml").mkdir()
    place.write(".a.yaml.swp", "x")
    place.write(".hidden.yaml", "a: [")
    place.write("read.me", "a: [")
    place.write("b.yml", slo("b"))
    place.reload()
    assert (place.slos, place.faults) == ({"orders": "0.99", "b": "0.99"}, [])


def test_thresholds_of_objectives_become_bounds(tmp_path):
    """Each is a bound of the histograms from the start, the default one too, so calls within it are counted exactly."""
    assert Place(tmp_path, a=slo(ms=250), b=slo("b", ms=40)).definitions.thresholds_us() == (40_000, 250_000, 1_000_000)


def test_limit_of_a_percentile_is_a_bound_too(tmp_path):
    """p95 within 80 ms says that 95 % of the calls ended within 80 ms; against earlier weeks there is no such limit."""
    text = slo().partition("  indicator:")[0] + """  indicator: {metadata: {name: i}, spec: {thresholdMetric: {
    metricSource: {type: synoptic, spec: {service: orders, measure: p95_ms%s}}}}}
  objectives: [{op: lte, value: 80, target: 0.99}]
"""
    assert Place(tmp_path, a=text % "").definitions.thresholds_us() == (80_000, 1_000_000)
    assert Place(tmp_path, a=text % ", relative: {weeks: 1}").definitions.thresholds_us() == (1_000_000,)


def test_threshold_that_came_later_is_exact_from_the_next_start_on(tmp_path):
    """The bounds are laid at the start; a new threshold is a warning that says what is counted until then."""
    place = Place(tmp_path, a=slo(ms=250))
    place.reload(b=slo("b", ms=333))
    [warning] = place.definitions.warnings
    assert (warning.line, warning.rule) == (9, "new-threshold")
    assert "333: counted exactly from the next start on" in warning.found
    assert place.slos == {"orders": "0.99", "b": "0.99"}
    place.reload(b=slo("b", ms=250))
    assert place.definitions.warnings == ()


def test_too_many_thresholds_are_a_fault(tmp_path):
    """Every threshold makes every histogram longer, so their number is bounded."""
    place = Place(tmp_path, **{f"f{n}": slo(f"s{n}", ms=101 + n) for n in range(40)})
    assert [fault.rule for fault in place.definitions.faults] == ["thresholds"]


def test_more_objectives_than_allowed_are_listed_and_said(tmp_path):
    """One document too many is no reason to stop a product that runs with the others: it is a doubt, and whoever
    evaluates knows which objectives are beyond the bound."""
    place = Place(tmp_path, a=slo(), b=slo("b"), c=slo("c"))
    few = Definitions(dataclasses.replace(place.options, max_slos=2))
    assert [one.name for one in few.slos] == ["orders", "b", "c"]
    assert [(fault.rule, fault.path) for fault in few.warnings] == [("max_slos", "c")]
    assert few.faults == ()


def test_start_with_a_fault_is_refused(tmp_path):
    """As with the rest of the configuration, nothing starts before the fault is repaired."""
    place = Place(tmp_path, a=slo(target="2"))
    settings = load(None, {"SYNOPTIC__SLO__DIRECTORY": str(place.folder)})
    with pytest.raises(ConfigurationError, match=r"a\.yaml:11: spec\.objectives\[0\]\.target: range: expected"):
        definitions_of(settings)


def test_folder_is_looked_for_beside_the_configuration_file(tmp_path, monkeypatch):
    """First there, then where the program is started, as `config/slos` for the file config/synoptic.yaml is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etc" / "mine").mkdir(parents=True)
    file = tmp_path / "etc" / "synoptic.yaml"
    file.write_text("slo: {directory: mine}")
    assert load(file, {}).slo.directory == tmp_path / "etc" / "mine"
    file.write_text("slo: {directory: config/slos}")
    assert load(file, {}).slo.directory == Path("config/slos")


def test_classes_and_default_come_from_the_configuration(tmp_path):
    """A class has its targets, exactly as written; services without a class have those of `health`."""
    file = tmp_path / "synoptic.yaml"
    file.write_text("health: {availability: 0.995, latency: {threshold: 300ms, share: 0.94}, logs: {share: 0.97}}\n"
                    "slo: {classes: {low: {availability: 0.98, latency: {threshold: 2s}}}}\n")  # fmt: skip
    found = definitions_of(load(file, {})).defaults
    assert [[str(one.target) for one in found[word]] for word in ("", "critical", "low")] == [
        ["0.995", "0.94", "0.97"], ["0.9999", "0.95", "0.97"], ["0.98", "0.95", "0.97"]]  # fmt: skip
    quick = found["low"][1].parts[0].indicator
    assert isinstance(quick, Ratio)
    assert (quick.good.counted, quick.good.threshold_us) == (Counted.FASTER_THAN, 2_000_000)
    assert quick.total.selection.services == Services(match={"class": "low"})
    assert all(one.default and one.projected and one.min_bad_events == 3 for slos in found.values() for one in slos)


def test_services_that_only_log_are_promised_nothing_where_that_is_switched_off(tmp_path):
    """Then the default objectives are those about calls, whatever the class."""
    file = tmp_path / "synoptic.yaml"
    file.write_text("health: {logs: {judged: false}}")
    assert {len(slos) for word, slos in definitions_of(load(file, {})).defaults.items() if word != "none"} == {2}


def test_default_target_that_no_rule_can_reach_is_said(tmp_path):
    """At 90 % fast calls the page rule of an hour needs a burn of 14.4 and can see 10."""
    file = tmp_path / "synoptic.yaml"
    file.write_text("slo: {classes: {low: {availability: 0.9}}}")
    found = definitions_of(load(file, {})).warnings
    assert [(one.path, one.rule) for one in found] == [("slo.classes.low.availability", "unreachable")]


def test_own_catalogue_of_windows_is_followed(tmp_path):
    """Its factors replace those that come along; while it is at fault the last good one holds."""
    catalogue = tmp_path / "windows.yaml"
    text = "periods: {30d: {rules: [{severity: page, long: 6h, short: 30m, budget_percent: %s}]}}"
    catalogue.write_text(text % "10")
    place = Place(tmp_path, a=slo())
    own = Definitions(dataclasses.replace(place.options, windows=catalogue))
    assert [rule.factor for rule in own.slos[0].rules] == [Decimal(12)]
    catalogue.write_text(text % "lots of it")
    assert own.reload()
    assert ([rule.factor for rule in own.slos[0].rules], [one.rule for one in own.faults]) == ([Decimal(12)], ["type"])
    catalogue.write_text(text % "20.0")
    assert own.reload()
    assert ([rule.factor for rule in own.slos[0].rules], own.faults) == ([Decimal(24)], ())


@pytest.fixture(scope="module")
def bank():
    """The definitions of the demo, as its configuration has them."""
    return definitions_of(load(ROOT / "config" / "demo.yaml", {}))


def test_objectives_of_the_demo_are_without_fault_or_doubt(bank):
    """They show every shape: services, a path, a journey, a zone, a floor, a ceiling, a composite, a class."""
    assert (len(bank.slos), bank.faults, bank.warnings) == (14, (), ())
    assert {one.service for one in bank.slos} - {"critical"} <= set(load_bank().services)


def test_usual_traffic_of_the_demo_keeps_its_ratios(bank):
    """On an ordinary hour every availability and latency promise about one service holds."""
    spans = [span for journey in simulate(load_bank(), 1, 1_767_319_200, 60, (), 40.0) for span in journey.spans
             if span.role in (Role.SERVER, Role.CONSUMER)]  # fmt: skip
    judged = 0
    for one in bank.slos:
        for ratio in (part.indicator for part in one.parts if isinstance(part.indicator, Ratio)):
            counted = ratio.good or ratio.bad
            name = ratio.total.selection.services.name
            seen = [span for span in spans if span.place.service == name]
            limit_us = counted.threshold_us
            bad = [span for span in seen if (span.end_us - span.start_us > limit_us if limit_us else failed(span))]
            if not seen:
                continue
            judged += 1
            assert len(bad) <= float(one.allowed) * len(seen), one.name
    assert judged == 12
