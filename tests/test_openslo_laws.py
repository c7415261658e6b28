"""Laws of reading documents: nothing that can stand in one is too much."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.openslo_documents import CONDITION, POLICY, RATIO, SLI, THRESHOLD, changed, plain, reading
from topology.slo.openslo.documents import Document, House, read
from topology.slo.openslo.place import NAME
from topology.slo.windows import Windows

WORDS = st.sampled_from(["openslo/v1", "SLO", "SLI", "synoptic", "calls", "30d", "Timeslices", "web"])
LEAVES = (st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.decimals() | WORDS)
KEYS = st.sampled_from([
    "apiVersion", "kind", "metadata", "name", "labels", "annotations", "spec", "service", "indicator", "indicatorRef",
    "timeWindow", "duration", "isRolling", "calendar", "startTime", "timeZone", "budgetingMethod", "objectives",
    "target", "ratioMetric", "thresholdMetric", "good", "total", "metricSource", "type", "events", "match", "path",
    "from", "to", "alertPolicies", "conditions", "synoptic/missing", "timeSliceWindow", "compositeWeight",
]) | st.text(max_size=5) | st.integers()  # fmt: skip
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
                      max_leaves=15)


@given(VALUES)
@settings(deadline=None)
def test_any_value_is_read_or_named(value):
    """Whatever a document holds, the answer is objectives or findings of one line, never an exception."""
    found = reading(value)
    assert all("\n" not in note.expected + note.found for note in found.findings)
    assert value in (None, []) or found.faults


@given(st.sampled_from([RATIO, THRESHOLD, SLI, POLICY, CONDITION]), st.integers(0, 30), VALUES)
@settings(deadline=None)
def test_any_value_inside_a_valid_document_is_read_or_named(text, at, value):
    """A single value of a valid document may be anything."""
    paths = list(_paths(plain(text)))
    document = changed(plain(text), paths[at % len(paths)], value)
    found = reading(document)
    assert found.slos or found.foreign or found.faults or document["kind"] != "SLO"


def _paths(value, path=""):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        if "/" not in str(key) and "." not in str(key):
            yield f"{path}{key}"
            yield from _paths(below, f"{path}{key}.")


@given(st.text(alphabet="ab-1._A", min_size=0, max_size=70))
def test_names_follow_rfc_1123(text):
    """At most 63 small letters, digits and hyphens, with a letter or digit at both ends."""
    plainly = 0 < len(text) <= 63 and set(text) <= set("ab-1") and text[0] != "-" and text[-1] != "-"
    assert (NAME.fullmatch(text) is not None) is plainly


def test_nothing_written_is_nothing_read():
    """An empty folder and an empty document are no fault."""
    assert read([], House(Windows())).findings == ()
    assert read([Document("a", None)], House(Windows())).findings == ()
