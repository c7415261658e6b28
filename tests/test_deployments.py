"""Deployments that show in the data: which sightings of versions are one, and which are none."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from topology.changes import Change, ChangeKind
from topology.deployments import MOST_VERSIONS, SETTLES_S, SILENT_S, Deployments, Sighting
from topology.model import Service

PAY, CORE = Service("prod", "bank", "pay"), Service("prod", "bank", "core")
WINDOW_S, START_S = 10, 1_800_000_000
SETTLED = int(SETTLES_S // WINDOW_S)


def windows(version: str, first: int, until: int, calls: float = 5.0, service: Service = PAY,
            every: int = 1) -> Iterator[Sighting]:
    """Calls of a version in the windows numbered first to before until."""
    return (Sighting(START_S + n * WINDOW_S, service, version, calls) for n in range(first, until, every))


def told(*parts: Iterable[Sighting]) -> list[str]:
    """The titles of the deployments that show, in order; windows are handed in one after the other."""
    deployments, found = Deployments(), []
    sightings = sorted(one for part in parts for one in part)
    for start_s in sorted({one.start_s for one in sightings}):
        found += deployments.note([one for one in sightings if one.start_s == start_s])
    return [change.title for change in found]


def test_a_new_version_is_a_deployment() -> None:
    """It is told when its first instance speaks, with the service, the version and a uid of its own."""
    deployments = Deployments()
    assert deployments.note(windows("1.4.1", 0, 100)) == []
    change = Change(f"data/{PAY.id}/1.4.2/{START_S + 1000}", START_S + 1000.0, ChangeKind.DEPLOYMENT, "1.4.1 → 1.4.2",
                    "data", PAY, "1.4.2")
    assert deployments.note(windows("1.4.2", 100, 101)) == [change]


def test_the_first_sight_of_a_service_is_none() -> None:
    """Nothing is told of the first version, nor of others that speak a little after it; later ones are deployments."""
    early = SETTLED - 1
    assert told(windows("1", 0, 50), windows("2", early, 50)) == []
    assert told(windows("1", 0, 50), windows("2", early, 50), windows("3", 60, 61)) == ["2 → 3"]


def test_a_rolling_deployment_and_late_instances_count_once() -> None:
    """While instances change one after the other, and old ones speak again in between, it is one deployment."""
    rolling = [windows("1", 0, 130), windows("2", 100, 300), windows("1", 150, 151), windows("1", 190, 192)]
    assert told(*rolling) == ["1 → 2"]


def test_a_canary_counts_once_however_long_it_takes() -> None:
    """A small share of the calls for a long time is one deployment; giving it up is another."""
    given_up = told(windows("1", 0, 2000, 100.0), windows("2", 100, 1500, 1.0, every=20))
    kept = told(windows("1", 0, 2000, 100.0), windows("2", 100, 2000, 1.0, every=20))
    assert (given_up, kept) == (["1 → 2", "2 → 1"], ["1 → 2"])
    assert told(windows("1", 0, 500, 100.0), windows("2", 100, 1000, 1.0)) == ["1 → 2"]


def test_a_rollback_is_a_deployment_of_the_time_when_the_old_version_spoke_alone() -> None:
    """It is told once the version deployed last was silent for long enough, dated when it fell silent."""
    deployments, found = Deployments(), []
    for part in (windows("1", 0, 100), windows("2", 100, 160), windows("1", 160, 400)):
        for sighting in part:
            found += [(change.title, change.at_s, sighting.start_s) for change in deployments.note([sighting])]
    gone_s = START_S + 160 * WINDOW_S
    assert found == [("1 → 2", START_S + 1000.0, START_S + 1000.0), ("2 → 1", gone_s, gone_s - WINDOW_S + SILENT_S)]


def test_a_service_that_pauses_or_comes_back_is_no_deployment() -> None:
    """A restart, a night without calls, and one at the end of which the same version speaks change nothing."""
    assert told(windows("1", 0, 100), windows("2", 100, 200), windows("2", 5000, 5100)) == ["1 → 2"]


def test_what_is_without_a_version_is_not_looked_at() -> None:
    """No version, or no calls, is no sighting."""
    assert told(windows("", 0, 50), windows("1", 50, 200), windows("", 100, 200), windows("2", 150, 160, 0.0)) == []


def test_services_have_versions_of_their_own() -> None:
    """The same versions of two services are two deployments."""
    both = [windows(v, a, b, service=s) for s in (PAY, CORE) for v, a, b in (("1", 0, 100), ("2", 100, 110))]
    assert told(*both) == ["1 → 2", "1 → 2"]


def test_many_versions_are_bounded() -> None:
    """A service whose version changes all the time keeps the newest ones and goes on."""
    deployments = Deployments()
    parts = [one for n in range(300) for one in windows(f"build-{n}", n, n + 1)]
    assert len(deployments.note(parts)) == 300 - SETTLED
    assert deployments.content().count(b"build-") <= 2 * MOST_VERSIONS


def test_a_silent_service_is_forgotten() -> None:
    """After it was forgotten, its next version is a first sight."""
    deployments = Deployments()
    deployments.note(windows("1", 0, 100))
    deployments.forget(START_S + 99 * WINDOW_S)
    assert len(deployments.note(windows("2", 100, 101))) == 1
    deployments.forget(START_S + 101 * WINDOW_S)
    assert deployments.note(windows("3", 200, 201)) == []


plans = st.lists(st.tuples(st.sampled_from("123"), st.integers(0, 200), st.integers(1, 60), st.integers(1, 9)),
                 min_size=1, max_size=8)


def _sightings(plan: list[tuple[str, int, int, int]]) -> list[Sighting]:
    return sorted(one for v, first, length, calls in plan for one in windows(v, first, first + length, float(calls)))


@settings(max_examples=60, deadline=None)
@given(plan=plans, cut=st.integers(0, 300), seed=st.integers(0, 5))
def test_a_restart_changes_nothing(plan: list[tuple[str, int, int, int]], cut: int, seed: int) -> None:
    """Whatever is seen, a restart in between finds the same deployments, and so does any order within one harvest."""
    sightings = _sightings(plan)
    whole, parts = Deployments(), Deployments()
    expected = whole.note(sightings)
    first = [one for one in sightings if one.start_s < START_S + cut * WINDOW_S]
    second = [one for one in sightings if one.start_s >= START_S + cut * WINDOW_S]
    random.Random(seed).shuffle(first)
    found = parts.note(first)
    again = Deployments()
    again.restore(parts.content())
    assert found + again.note(second) == expected
    assert again.content() == whole.content()


@settings(max_examples=60, deadline=None)
@given(plan=plans)
def test_deployments_follow_each_other(plan: list[tuple[str, int, int, int]]) -> None:
    """Each begins with the version that the one before ended with, none is to itself, and uids differ."""
    found = Deployments().note(_sightings(plan))
    ends = [change.title.split(" → ") for change in found]
    assert all(before != after for before, after in ends)
    assert [before for before, _ in ends[1:]] == [after for _, after in ends[:-1]]
    assert len({change.uid for change in found}) == len(found)


@settings(max_examples=40, deadline=None)
@given(first=st.integers(0, 100), calls=st.tuples(st.integers(1, 50), st.integers(1, 50)))
def test_two_versions_side_by_side_are_at_most_one_deployment(first: int, calls: tuple[int, int]) -> None:
    """However long both speak in every window, from whenever: one deployment, or none when both were there first."""
    both = told(windows("1", 0, 300, float(calls[0])), windows("2", first, 300, float(calls[1])))
    assert len(both) == (first >= SETTLED)
