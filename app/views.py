"""What the pages and the interface for programs may ask of the running engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from app.changes.told import Told
from app.line_search import LineSearch
from collectors.contract import FoundLine
from topology.model import Service

Json = dict[str, Any]


class Views(Protocol):
    """Read access to everything shown. Times are UTC epoch seconds; `at_s` None means now. Thread-safe."""

    def snapshot(self, window_s: int = 300, at_s: float | None = None) -> Json:
        """The graph of a window as `GET /api/v1/graph` answers it, unfiltered."""
        ...

    def service(self, node_id: str, window_s: int = 300, at_s: float | None = None) -> Json | None:
        """One node with callers, callees, operations and instances; None when unknown."""
        ...

    def series(self, of: str, signals: Sequence[str], from_s: float, to_s: float, step_s: int) -> Json | None:
        """Columns for charts of a node or edge: `times` in epoch seconds and one list a signal, None where unknown."""
        ...

    def traces(self, service: str | None = None, min_ms: float | None = None, errors: bool = False,
               from_s: float | None = None, to_s: float | None = None, limit: int = 20) -> list[Json]:
        """Kept example traces, newest first, without their spans; `service_title` by language."""
        ...

    def trace(self, trace_id: str) -> Json | None:
        """One kept trace with its spans, or None."""
        ...

    def drawn_as(self, service: Service) -> Service:
        """The node of a service as some source knows it; itself where the house hides it."""
        ...

    def title_of(self, service: Service) -> dict[str, str]:
        """What a service is called, by language."""
        ...

    def known_as(self, node_id: str) -> list[Service]:
        """What sources may know a node by, itself first; ValueError for what is no id of a node."""
        ...

    def log_counts(self, service: str | None, from_s: float, to_s: float, step_s: int) -> Json:
        """Log lines by level and window as columns."""
        ...

    def logs(self, service: str | None = None, trace: str | None = None, from_s: float | None = None,
             to_s: float | None = None, limit: int = 100, pattern: str | None = None) -> list[Json]:
        """The newest error lines, masked, newest first; with `pattern` those of it (an id) or that hold it (a text).
        `service_title` by language."""
        ...

    def log_patterns(self, service: str | None, from_s: float, to_s: float, limit: int = 100) -> list[Json]:
        """The patterns of error lines with lines in [from_s, to_s), new ones first, then by lines: `id`, `service`,
        `service_title` by language, `template`, `level`, `count`, `first_seen`, `last_seen`, `is_new`; `lines_read`, of
        how many lines of its service the counts are, and `lines_counted`, how many error lines that had."""
        ...

    def line_search(self, query: Mapping[str, Any]) -> LineSearch:
        """What sources are to be asked for, and the lines at hand that match it. `query` has the keys of
        `collectors.contract.LineQuery`, `service` as an id. ValueError for a service that is none."""
        ...

    def told_lines(self, lines: Sequence[FoundLine]) -> list[Json]:
        """Lines that a search found, as `logs` has them."""
        ...

    def sources(self) -> list[Json]:
        """Every collector with its state, rate, lag, last error and counters."""
        ...

    def quality(self) -> Json:
        """The counters of what was lost, merged, refused and is waiting."""
        ...

    def slos(self) -> list[Json]:
        """How every SLO stands now, in no promised order: `GET /api/v1/slos` with times in epoch seconds.

        Of each: `name`, `title` (a text, or one a language), `service` (node id), `edge` (id or None), `domain`,
        `group` (the domain's title by language), `class`, `kind` (availability, latency, traffic, saturation, logs,
        other), `threshold_ms`, `target` (exact decimal as text), `window` ("30d"), `rolling`, `method`, `missing`,
        `default`; `good`, `total`, `ratio`, `budget_left`, `exhausted_in_s`, `coverage`, `burn` by window, `strip`
        (budget left at the end of each of the last 30 days, oldest first, None without data), `state`, `since`,
        `alerts` that fire (`severity`, `long`, `short`, `since`), `why` by language, `evaluated_at`. Where the engine
        keeps them, `events_good` and `events_total` begin at 0 and only grow while the process runs: what a Prometheus
        counter needs. `good` and `total` are of the period, so they also fall.
        """
        ...

    def slo(self, name: str) -> Json | None:
        """One SLO as `slos` says it, and `document` (the OpenSLO document in effect, as plain values), `file`,
        `description`, `rules` (`severity`, `long`, `short`, `factor`, `budget_share`, `reachable`), `conditions` and
        `alert_history`, the open ones first and then the newest (`severity`, `long`, `short`, `since`, `until`,
        `peak_burn`, `state`, and `name`, that of a condition). None when there is none."""
        ...

    def slo_history(self, name: str, from_s: float, to_s: float, step_s: int) -> Json | None:
        """Columns in step with `times` (epoch seconds): `good`, `total`, `budget_left`, `ideal`, and `burn` by window;
        None where unknown. None when there is no such SLO."""
        ...

    def slo_spenders(self, name: str, limit: int = 10) -> list[Json] | None:
        """The intervals of the period that spent most, dearest first: `from`, `to` (epoch seconds), `bad`, `total`,
        `share` of all bad events of the period, and `origins` (`id`, `title` by language, `share`)."""
        ...

    def slo_what_if(self, name: str, target: str | None, threshold_ms: float | None) -> Json | None:
        """What the last 30 days would have given with another target or threshold: `target`, `threshold_ms`, `good`,
        `total`, `ratio`, `budget_left`, `alerts` (number by severity), `exact`, `note` in English, and `notes`, the
        same as words that the pages translate: hours (alerts older than three days are counted by the hour), stored
        (counted from what is stored), bounds (the threshold is no bound of the ladder). None when there is no such
        SLO; ValueError for a target that is not between 0 and 1 or a threshold where nothing is timed."""
        ...

    def alerts(self, open_only: bool = True, from_s: float | None = None, to_s: float | None = None) -> list[Json]:
        """Burn alerts, newest first: `slo`, `service`, `severity`, `long`, `short`, `since`, `until` (None while it
        fires), `peak_burn`, `state` (firing, suppressed, ended). Times are epoch seconds."""
        ...

    def slo_faults(self) -> list[Json]:
        """What is wrong in the SLO documents: `file`, `line`, `path`, `rule`, `message`, `level` (error, warning)."""
        ...

    def alike(self) -> list[Json]:
        """Pairs of services that look the same though sources call them differently, the likeliest first: `into` and
        `from` (`id`, `title` by language, `sources`), `reasons` (`why`: addresses, same_name, spelling, words, group or
        neighbours; `shared`: how many; `example`) and `rule`, an entry for `catalogue.merge` as YAML."""
        ...

    def registry(self) -> Json:
        """What is registered: `registries` (`source`, `at` as RFC 3339, `age_s`, `old`) and `services` (`id`, `title`
        by language, `node`: the id of the node that it is, None for one that never spoke, `sources`, and `zones`: how
        many are `registered`, `healthy`, `disabled` in each)."""
        ...

    def changes(self, services: Collection[str] | None, kinds: Collection[str] | None, from_s: float, to_s: float,
                limit: int) -> list[Json]:
        """The changes made in [from_s, to_s), newest first: `uid`, `at`, `ended` (RFC 3339 or None), `kind`, `title`,
        `version`, `author`, `link`, `outcome`, `source`, `service` (id, None for a change of everything) and
        `service_title` by language. `services` are ids, "" among them stands for changes of everything."""
        ...

    def delivery(self, from_s: float, to_s: float) -> Json:
        """How often services were deployed in [from_s, to_s) and how often that failed, as `topology.delivery` defines
        it: `from`, `to`, `days`, `failed_within_s`, and `services` with `service`, `service_title`, `deployments`,
        `failed`, `failure_rate`, `per_day`, `last`."""
        ...

    def record_changes(self, told: Sequence[Told]) -> list[Json]:
        """Takes in what somebody tells, and returns it as `changes` has it once it is durable; what the rules of the
        configuration ignore is left out. Misread for a service that cannot be told from others, StoreError when
        nothing could be written: then nothing was taken in."""
        ...

    def save_positions(self, positions: Mapping[str, tuple[float, float]]) -> None:
        """Pins nodes at world positions, for every viewer and for good. KeyError naming a node that was never drawn."""
        ...

    def relayout(self) -> None:
        """Computes all positions anew, because a person asked."""
        ...

    def ready(self) -> bool:
        """Whether stored data is loaded and answers are complete."""
        ...

    def subscribe(self, on_tick: Callable[[int], None]) -> Callable[[], None]:
        """Calls `on_tick(seq)` from the engine's thread after every tick; returns how to stop."""
        ...
