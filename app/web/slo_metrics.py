"""SLOs on `/metrics`, under the names that the rules of topology/slo/prometheus.py read.

    synoptic_slos{state}                             how many SLOs are in each state
    synoptic_slo_objective_ratio{slo,service}        the target
    synoptic_slo_ratio                               good events of all events in the period
    synoptic_slo_budget_left_ratio                   share of the period's budget that is left; may be negative
    synoptic_slo_coverage_ratio                      share of the period that has data
    synoptic_slo_burn_rate{window}                   burn by window (5m, 30m, 1h, 2h, 6h, 1d, 3d)
    synoptic_slo_alert{severity,long,short}          1 while the burn alert fires; no sample otherwise
    synoptic_slo_events_total                        events counted since the start, where the engine keeps that
    synoptic_slo_good_events_total                   those that were good
    synoptic_slos_left_out                           SLOs beyond the most that are exported

Every family of one SLO has the labels `slo` and `service`. What is not known has no sample. At most `MOST_SLOS` are
exported, written ones before defaults and then by name, so that the choice does not change from scrape to scrape.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from app.views import Json

MOST_SLOS = 2000
STATES = ("ok", "at_risk", "burning", "exhausted", "no_data")
LABELS = ("slo", "service")
GAUGES = (
    ("synoptic_slo_objective_ratio", "The target.", "target"),
    ("synoptic_slo_ratio", "Good events of all events in the period.", "ratio"),
    ("synoptic_slo_budget_left_ratio", "Share of the period's budget that is left.", "budget_left"),
    ("synoptic_slo_coverage_ratio", "Share of the period that has data.", "coverage"),
)
COUNTERS = (
    ("synoptic_slo_events", "Events counted since the start.", "events_total"),
    ("synoptic_slo_good_events", "Good events counted since the start.", "events_good"),
)


def slo_metrics(entries: Sequence[Json], most: int = MOST_SLOS) -> Iterable[Metric]:
    """The families of these SLOs; `entries` as Views.slos gives them."""
    yield _states(entries)
    chosen = sorted(entries, key=lambda one: (bool(one.get("default")), one["name"]))[:most]
    left_out = float(len(entries) - len(chosen))
    yield GaugeMetricFamily("synoptic_slos_left_out", "SLOs beyond the most that are exported.", left_out)
    for name, text, key in GAUGES:
        yield _filled(GaugeMetricFamily(name, text, labels=LABELS), chosen, key)
    for name, text, key in COUNTERS:
        yield _filled(CounterMetricFamily(name, text, labels=LABELS), chosen, key)
    yield _burns(chosen)
    yield _alerts(chosen)


def _states(entries: Sequence[Json]) -> Metric:
    family = GaugeMetricFamily("synoptic_slos", "SLOs by state.", labels=["state"])
    for state in STATES:
        family.add_metric([state], sum(one["state"] == state for one in entries))
    return family


def _filled(family: Metric, entries: Sequence[Json], key: str) -> Metric:
    for one in entries:
        if one.get(key) is not None:
            family.add_sample(_sample_name(family), _labels(one), float(one[key]))
    return family


def _sample_name(family: Metric) -> str:
    return family.name + ("_total" if family.type == "counter" else "")


def _labels(entry: Json) -> dict[str, str]:
    return {"slo": entry["name"], "service": entry.get("service") or ""}


def _burns(entries: Sequence[Json]) -> Metric:
    family = GaugeMetricFamily("synoptic_slo_burn_rate", "Burn by window.", labels=[*LABELS, "window"])
    for one in entries:
        for window, value in (one.get("burn") or {}).items():
            if value is not None:
                family.add_metric([*_labels(one).values(), window], value)
    return family


def _alerts(entries: Sequence[Json]) -> Metric:
    labels = ("severity", "long", "short")
    family = GaugeMetricFamily("synoptic_slo_alert", "1 while the burn alert fires.", labels=[*LABELS, *labels])
    for one in entries:
        for alert in one.get("alerts") or ():
            family.add_metric([*_labels(one).values(), *(alert[label] for label in labels)], 1)
    return family
