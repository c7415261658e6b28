"""What holds for every trace and every way it arrives."""

from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pairing_run import Counted, bodies, differences, figures_of, plain_figures, product
from plain_pairing import PlainPairing, plain_bytes
from plain_spans import read_body
from span_strategies import calls, deliveries, soon
from span_writing import NOW_NS, SECOND, body

from topology.model import SeriesKey
from topology.pairing import kernel
from topology.rollup import RollupBatch, SeriesTable, coarsen, concatenate

kernel_take = kernel.take
QUICK = settings(deadline=None, max_examples=200, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])


def counted(counters: dict[str, int]) -> dict[str, int]:
    """The counters that say something."""
    return {name: n for name, n in counters.items() if n}


@settings(deadline=None, max_examples=600)
@given(deliveries(), st.booleans())
def test_product_counts_what_the_rules_say(arrivals, harvests):
    """Compiled kernels and plain Python count the same calls, errors, times and buckets in every series and window."""
    figures, counters = product(arrivals, harvests=harvests)
    plain = plain_bytes(bodies(arrivals))
    assert differences(figures, plain_figures(plain)) == []
    assert counted({name: counters[name] for name in plain.counters}) == counted(plain.counters)


@settings(deadline=None, max_examples=60)
@given(deliveries())
def test_one_step_counts_what_many_steps_count(arrivals):
    """A request for which all tables have room is counted in one step, and with the same outcome as step by step."""
    done = []
    with patch.object(kernel, "take", lambda *request: done.append(kernel_take(*request)) or done[-1]):
        at_once = product(arrivals)
    with patch.object(kernel, "take", lambda *_: False):
        in_steps = product(arrivals)
    assert any(done)
    assert differences(at_once[0], in_steps[0]) == []
    assert at_once[1] == in_steps[1]


@QUICK
@given(deliveries())
def test_product_waits_for_the_same_spans(arrivals):
    """After every delivery as many spans wait for a partner as the rules say, and in the end none."""
    run, plain = Counted(), PlainPairing()
    for after_ns, spans in arrivals:
        run.take(spans, after_ns)
        plain.take(read_body(body(spans)), NOW_NS + after_ns)
        assert run.pairing.counters()["pending"] == plain.pending()
    run.finish()
    run.pairing.advance(run.now_ns + 100 * SECOND)
    assert run.pairing.counters()["pending"] == run.pairing.waiting == 0


@QUICK
@given(st.data())
def test_order_and_batches_do_not_matter_within_the_horizon(data):
    """The same spans in any order and any batches within one horizon give the same rollups."""
    made = data.draw(calls())
    at_once, _ = product([(0, made)])
    shuffled, _ = product(data.draw(soon(data.draw(st.permutations(made)))), harvests=True)
    assert differences(at_once, shuffled) == []


@QUICK
@given(st.data())
def test_a_span_sent_again_counts_once(data):
    """Any spans sent again within the horizon change no rollup; each is counted as a duplicate."""
    made = data.draw(calls())
    again = data.draw(st.lists(st.sampled_from(made), min_size=1, max_size=5))
    once, _ = product([(0, made)])
    twice, counters = product([(0, made), (20 * SECOND, again)])
    assert differences(once, twice) == []
    assert counters["duplicates"] == len(again)


@QUICK
@given(st.data())
def test_parts_of_a_stream_add_up(data):
    """Rollups harvested in parts, merged in any grouping and order, equal those harvested at once."""
    arrivals = data.draw(deliveries())
    run = Counted()
    for after_ns, spans in arrivals:
        run.take(spans, after_ns).harvest()
    run.finish()
    shuffled = data.draw(st.permutations(run.batches))
    cut = data.draw(st.integers(0, len(shuffled)))
    grouped = [merged(part) for part in (shuffled[:cut], shuffled[cut:]) if part]
    whole = figures_of([merged(run.batches)], run.series)
    assert differences(figures_of([merged(grouped)], run.series), whole) == []
    assert differences(product(arrivals)[0], whole) == []


@QUICK
@given(st.data())
def test_workers_with_traces_of_their_own_add_up(data):
    """Two pairings that share the traces between them count together what one counts alone."""
    made = data.draw(calls())
    alone, _ = product([(0, made)])
    series, batches = SeriesTable(), []
    for worker in (0, 1):
        run = Counted().take([span for span in made if span.trace % 2 == worker])
        run.series = series
        run.finish()
        batches += run.batches
    assert differences(alone, figures_of(batches, series)) == []


@QUICK
@given(deliveries(), st.sampled_from([60, 3600]))
def test_longer_windows_hold_the_same(arrivals, window_s):
    """Coarser windows hold the sums of the finer ones, whether merged before or after."""
    run = Counted()
    for after_ns, spans in arrivals:
        run.take(spans, after_ns).harvest()
    run.finish()
    early = concatenate([coarsen(batch, window_s) for batch in run.batches])
    late = merged(run.batches, window_s)
    assert differences(figures_of([early], run.series), figures_of([late], run.series)) == []
    assert total_calls(early) == pytest.approx(total_calls(concatenate(run.batches)))


@QUICK
@given(deliveries())
def test_the_same_input_gives_the_same_output(arrivals):
    """Two runs over the same deliveries agree to the last bit."""
    first, counters = product(arrivals)
    second, again = product(arrivals)
    assert differences(first, second) == []
    assert counters == again


@QUICK
@given(calls())
def test_every_inbound_call_has_one_source(made):
    """Where nothing is sampled or late, all paths that end at services carry as many calls as the services took in:
    none is lost and none is counted twice, calls inside one service apart."""
    timely = [replace(span, trace_state="", start=max(span.start, -20_000)) for span in made]
    figures, _ = product([(0, timely)])
    assert sum_of(figures, "EdgeKey", to_services=True) <= sum_of(figures, "OperationKey")


def merged(batches: list[RollupBatch], window_s: int = 10) -> RollupBatch:
    """One row per series and window."""
    return coarsen(concatenate(batches), window_s)


def total_calls(batch: RollupBatch) -> float:
    """The calls of every series together."""
    return float(batch.counts[:, 0].sum())


def sum_of(figures: dict, kind: str, to_services: bool = False) -> float:
    """The calls of all series of one kind."""
    return sum(cell["counts"][0] for (key, _), cell in figures.items() if wanted(key, kind, to_services))


def wanted(key: SeriesKey, kind: str, to_services: bool) -> bool:
    """Whether a series is of this kind; of paths, whether it ends at a service."""
    return type(key).__name__ == kind and (not to_services or key.callee.kind == "service")
