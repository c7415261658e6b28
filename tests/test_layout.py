"""The layout: what always holds, and that people would draw it so."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from pathlib import Path as FilePath

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topology.layout import DEFAULT_SIZES, Box, Group, Path, Point, arrange, place_new
from topology.layout.crossings import crossings, inversions
from topology.layout.grid import build_grid
from topology.layout.layering import against_the_flow, call_depths, columns
from topology.layout.network import Network, network
from topology.layout.ordering import nearest_slots
from topology.layout.parts import Part, parts

Graph = tuple[list[Box], list[Path], list[Group]]
SIZES = DEFAULT_SIZES
KINDS = ["service"] * 4 + ["database", "user", "queue", "external"]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Small graphs with and without layers, with unlisted groups, isolated boxes and cycles."""
    count = draw(st.integers(1, 24))
    layered = draw(st.sampled_from([True, False, None]))
    boxes = [Box(f"n{i:02d}", draw(st.sampled_from("abcde")),
                 draw(st.integers(0, 4)) if layered or (layered is None and i % 2) else None,
                 draw(st.sampled_from(KINDS))) for i in range(count)]
    ends = st.integers(0, count - 1)
    paths = [Path(f"n{a:02d}", f"n{b:02d}", weight) for a, b, weight in draw(
        st.lists(st.tuples(ends, ends, st.floats(0, 1e6)), max_size=40))]
    listed = draw(st.lists(st.sampled_from("abcdx"), unique=True))
    return boxes, paths, [Group(one, draw(st.booleans())) for one in listed]


def bank() -> Graph:
    """The simulated bank of the design, with the order of rows its designer chose."""
    document = json.loads((FilePath(__file__).parent / "bank_graph.json").read_text(encoding="utf-8"))
    boxes = [Box(one, group, layer, kind) for one, group, layer, kind, _ in document["boxes"]]
    return boxes, [Path(*path) for path in document["paths"]], [Group(*group) for group in document["groups"]]


def large(seed: int = 1, boxes: int = 1000, paths: int = 2500, groups: int = 12) -> Graph:
    """A graph of the size promised, with calls mostly within a domain and one layer on."""
    chance = random.Random(seed)
    made = []
    for i in range(boxes):
        layer = chance.choices(range(7), [2, 6, 5, 30, 22, 15, 20])[0]
        group = "users" if layer == 0 else "access" if layer < 3 else f"domain-{chance.randrange(groups):02d}"
        made.append(Box(f"n{i:04d}", group, layer, {0: "user", 6: "database"}.get(layer, "service")))
    calls: set[tuple[str, str]] = set()
    while len(calls) < paths:
        source, target = chance.sample(made, 2)
        assert source.layer is not None
        assert target.layer is not None
        if 0 <= target.layer - source.layer <= 2 and (source.group == target.group or chance.random() < 0.3):
            calls.add((source.id, target.id))
    return made, [Path(*ends, 10 ** chance.uniform(0, 3)) for ends in sorted(calls)], [
        Group("users", True), Group("access", True)]


def overlapping(places: dict[str, Point]) -> list[tuple[str, str]]:
    """Pairs of cards that touch."""
    names = sorted(places)
    return [(a, b) for i, a in enumerate(names) for b in names[i + 1:]
            if abs(places[a][0] - places[b][0]) < SIZES.width and abs(places[a][1] - places[b][1]) < SIZES.height]


def bands(boxes: list[Box], groups: list[Group], places: dict[str, Point]) -> list[Part]:
    """The boxes around the cards of every group that is a band."""
    cards: dict[str, list[Point]] = defaultdict(list)
    leads = {group.id for group in groups if group.lead}
    leads = leads if any(box.group not in leads for box in boxes) else set()
    for box in boxes:
        if box.group not in leads:
            cards[box.group].append(places[box.id])
    return parts(cards, SIZES)


def meeting(found: list[Part]) -> list[tuple[Part, Part]]:
    """Pairs of bands of different groups that overlap."""
    return [(a, b) for a in found for b in found if a.group < b.group and a.meets(b)]


def count_crossings(boxes: list[Box], paths: list[Path], places: dict[str, Point]) -> int:
    """Crossings of straight lines between the placed cards."""
    net = network(boxes, paths)
    x, column = np.unique([places[box.id][0] for box in net.boxes], return_inverse=True)
    return crossings(column, x, np.array([places[box.id][1] for box in net.boxes]), net.source, net.target)


# What always holds


@given(graphs())
@settings(deadline=None, max_examples=60)
def test_cards_never_overlap(graph: Graph) -> None:
    """Every box has a place, and no two cards touch."""
    places = arrange(*graph)
    assert places.keys() == {box.id for box in graph[0]}
    assert not overlapping(places)


@given(graphs())
@settings(deadline=None, max_examples=60)
def test_bands_are_whole_and_apart(graph: Graph) -> None:
    """Every group is one box, and no two boxes overlap."""
    found = bands(graph[0], graph[2], arrange(*graph))
    assert len(found) == len({part.group for part in found})
    assert not meeting(found)


@given(graphs(), st.randoms())
@settings(deadline=None, max_examples=60)
def test_the_order_of_the_input_does_not_matter(graph: Graph, chance: random.Random) -> None:
    """The same boxes and paths in another order give the same drawing."""
    boxes, paths, groups = graph
    shuffled_boxes, shuffled_paths = chance.sample(boxes, len(boxes)), chance.sample(paths, len(paths))
    assert arrange(shuffled_boxes, shuffled_paths, groups) == arrange(boxes, paths, groups)


@given(graphs(), st.integers(0, 24), st.booleans())
@settings(deadline=None, max_examples=60)
def test_new_boxes_move_nobody_and_overlap_nothing(graph: Graph, known: int, with_paths: bool) -> None:
    """What has a place keeps it exactly; what is new stands free; its group stays apart from the others."""
    boxes, paths, groups = graph
    before = arrange(boxes[:known], paths, groups)
    after = place_new(boxes, paths if with_paths else [], groups, before)
    assert {one: after[one] for one in before} == before
    assert after.keys() == {box.id for box in boxes}
    assert not overlapping(after)


@given(graphs(), st.integers(1, 24), st.integers(0, 12))
@settings(deadline=None, max_examples=60)
def test_new_boxes_keep_the_bands_apart(graph: Graph, known: int, more: int) -> None:
    """Where a band is full its group goes on in a box of its own, never inside another band; also the next time."""
    boxes, paths, groups = graph
    before = arrange(boxes[:known], paths, groups)
    between = place_new(boxes[: known + more], paths, groups, before)
    assert not meeting(bands(boxes, groups, place_new(boxes, paths, groups, between)))


@given(graphs(), st.integers(0, 24))
@settings(deadline=None, max_examples=60)
def test_boxes_that_go_leave_their_room_and_find_it_again(graph: Graph, left: int) -> None:
    """Removing boxes moves nobody, and what stands in their positions later overlaps nothing."""
    boxes, paths, groups = graph
    before = arrange(boxes, paths, groups)
    fewer = place_new(boxes[:left], paths, groups, before)
    assert fewer == {box.id: before[box.id] for box in boxes[:left]}
    newcomer = [*boxes[:left], Box("newcomer", "a", 1)]
    assert not overlapping({**before, **place_new(newcomer, paths, groups, before)})


@given(graphs(), st.lists(st.tuples(st.integers(0, 23), st.floats(-500, 2500), st.floats(-500, 2500)), max_size=4))
@settings(deadline=None, max_examples=60)
def test_pinned_boxes_stay_where_a_person_put_them(graph: Graph, pins: list[tuple[int, float, float]]) -> None:
    """A new arrangement keeps pinned positions exactly, and nothing but another pinned card lies under one."""
    boxes, paths, groups = graph
    pinned = {boxes[i % len(boxes)].id: (x, y) for i, x, y in pins}
    places = arrange(boxes, paths, groups, pinned)
    assert {one: places[one] for one in pinned} == pinned
    assert all(a in pinned and b in pinned for a, b in overlapping(places))


@given(graphs())
@settings(deadline=None, max_examples=60)
def test_callers_stand_left_of_what_they_call(graph: Graph) -> None:
    """By call depth, every service that is not in a cycle stands right of all services that call it."""
    boxes = [Box(box.id, "one", None, "service") for box in graph[0]]
    net = network(boxes, graph[1])
    column, against = columns(net), against_the_flow(net)
    assert (column[net.source] < column[net.target])[~against].all()


@given(graphs())
@settings(deadline=None, max_examples=60)
def test_call_depth_is_the_longest_way_there(graph: Graph) -> None:
    """Depths agree with networkx, and paths are turned only inside cycles."""
    net = network(graph[0], graph[1])
    against = against_the_flow(net)
    flow: nx.DiGraph[int] = nx.DiGraph()
    flow.add_nodes_from(range(net.size))
    flow.add_edges_from(zip(net.source[~against].tolist(), net.target[~against].tolist(), strict=True))
    depth: dict[int, int] = {}
    for node in nx.topological_sort(flow):
        depth[node] = max((depth[caller] + 1 for caller in flow.predecessors(node)), default=0)
    assert call_depths(net, ~against).tolist() == [depth[i] for i in range(net.size)]
    whole: nx.DiGraph[int] = nx.DiGraph(zip(net.source.tolist(), net.target.tolist(), strict=True))
    assert against.any() != nx.is_directed_acyclic_graph(whole)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_inversions_are_counted_like_by_hand(pairs: list[tuple[int, int]]) -> None:
    """The quick count of turned pairs agrees with comparing all pairs."""
    by_hand = sum((a - c) * (b - d) < 0 for i, (a, b) in enumerate(pairs) for c, d in pairs[:i])
    ends = np.array(pairs, dtype=float).reshape(-1, 2)
    assert inversions(ends[:, 0], ends[:, 1]) == by_hand


@given(st.lists(st.integers(-20, 120), max_size=5), st.integers(0, 3))
def test_the_nearest_places_are_found(wishes: list[int], spare: int) -> None:
    """No other choice of places in this order is nearer to the wishes in all."""
    from itertools import combinations

    wanted, slots = sorted(map(float, wishes)), tuple(10.0 * i for i in range(len(wishes) + spare))
    cost = [sum(abs(a - b) for a, b in zip(wanted, chosen, strict=True)) for chosen in combinations(slots, len(wanted))]
    found = nearest_slots(wanted, slots)
    assert found == sorted(set(found))
    assert sum(abs(a - b) for a, b in zip(wanted, found, strict=True)) == pytest.approx(min(cost))


# What a person would draw


def test_nothing_to_place_is_no_error() -> None:
    """No boxes, no places, with and without earlier positions."""
    assert arrange([], []) == {}
    assert place_new([], [Path("a", "b")], [], {"gone": (0, 0)}) == {}


def test_users_stand_left_and_stores_right() -> None:
    """By call depth users are the first column and stores the last, whatever calls them."""
    boxes = [Box("db", "one", kind="database"), Box("far", "one"), Box("near", "one"), Box("user", "one", kind="user")]
    places = arrange(boxes, [Path("user", "near"), Path("near", "db"), Path("near", "far")])
    assert places["user"][0] < places["near"][0] < places["far"][0] < places["db"][0]


def test_a_job_nobody_calls_stands_next_to_what_it_calls() -> None:
    """A root that is not a user is drawn near its first callee, not among the users."""
    boxes = [Box(one, "one", kind="user" if one == "user" else "service") for one in ("user", "a", "b", "c", "job")]
    places = arrange(boxes, [Path("user", "a"), Path("a", "b"), Path("b", "c"), Path("job", "c")])
    assert places["job"][0] == places["b"][0]


def test_the_busy_path_of_a_cycle_points_right() -> None:
    """Of two services that call each other, the one that calls more stands left."""
    boxes = [Box("a", "one"), Box("b", "one")]
    places = arrange(boxes, [Path("a", "b", 1), Path("b", "a", 1000)])
    assert places["b"][0] < places["a"][0]


def test_configured_bands_keep_their_order_and_the_others_stand_near_their_partners() -> None:
    """Listed groups come from top to bottom as listed; unlisted ones beside the group they talk to."""
    names = ("listed-b", "listed-a", "x", "y", "z")
    boxes = [Box(f"{group}{layer}", group, layer) for group in names for layer in (0, 1)]
    paths = [Path("y0", "listed-a1"), Path("x0", "z1"), Path("z0", "x1")]
    places = arrange(boxes, paths, [Group("listed-b"), Group("listed-a")])
    order = sorted(names, key=lambda group: places[group + "0"][1])
    assert order[:3] == ["listed-b", "listed-a", "y"]


def test_a_lead_group_is_a_block_left_of_all_bands() -> None:
    """No band reaches under a full-height block, even if its layers are lower."""
    boxes = [*(Box(f"lead{i}", "lead", i) for i in range(3)), *(Box(f"band{i}", "band", i) for i in range(4))]
    places = arrange(boxes, [Path("lead0", "band0")], [Group("lead", True)])
    assert max(places[f"lead{i}"][0] for i in range(3)) < min(places[f"band{i}"][0] for i in range(4))


def test_the_gap_between_columns_grows_with_the_paths_through_it() -> None:
    """Forty paths get more room than one, up to the widest gap."""
    def gap(paths: int) -> float:
        boxes = [Box(f"{side}{i}", "one", layer) for layer, side in enumerate("ab") for i in range(8)]
        places = arrange(boxes, [Path(f"a{i % 8}", f"b{i // 8}") for i in range(paths)])
        return places["b0"][0] - places["a0"][0] - SIZES.width

    assert SIZES.column_gap < gap(1) < gap(30) < gap(64) == SIZES.widest_gap


def test_the_bank_crosses_less_than_its_designer_drew_it() -> None:
    """On the bank of the design, crossings are fewer than in plain order and no more than by hand."""
    boxes, paths, groups = bank()
    document = json.loads((FilePath(__file__).parent / "bank_graph.json").read_text(encoding="utf-8"))
    places = arrange(boxes, paths, groups)
    ours = count_crossings(boxes, paths, places)
    plain, by_hand = ({}, {})
    net = network(boxes, paths)
    row = {one: row for one, *_, row in document["boxes"]}
    for cell in build_grid(net, groups, SIZES).cells:
        ids = [net.boxes[i].id for i in cell.members]
        lead = net.boxes[cell.members[0]].group in ("users", "access")
        for i, one in enumerate(sorted(ids)):
            plain[one] = (places[one][0], cell.slots[i])
        for i, one in enumerate(sorted(ids, key=row.__getitem__)):
            by_hand[one] = (places[one][0], cell.slots[i if lead else row[one]])
    assert ours <= count_crossings(boxes, paths, by_hand)
    assert ours < 0.7 * count_crossings(boxes, paths, plain)


def test_the_main_line_of_the_bank_is_straight() -> None:
    """From the account centre through the ledger to its database runs a level line."""
    places = arrange(*bank())
    assert places["account-center"][1] == places["ledger-core"][1] == places["ledger-core-db"][1]


def test_the_bank_has_the_proportions_of_a_screen() -> None:
    """Seven columns in the order of the layers, and about 16:9."""
    boxes, paths, groups = bank()
    places = arrange(boxes, paths, groups)
    x = {box.layer: places[box.id][0] for box in boxes}
    assert len({at[0] for at in places.values()}) == 7
    assert [layer for layer, _ in sorted(x.items(), key=lambda one: one[1])] == list(range(7))
    assert 1.5 < proportions(places) < 2.4


def proportions(places: dict[str, Point]) -> float:
    """Width by height of the drawing."""
    corners = np.array(list(places.values()))
    width, height = corners.max(axis=0) - corners.min(axis=0) + (SIZES.width, SIZES.height)
    return float(width / height)


@pytest.mark.parametrize("groups", [1, 12, 80])
def test_a_thousand_boxes_are_laid_out_in_time_and_fit_a_screen(groups: int) -> None:
    """1,000 boxes and 2,500 paths take under 2 s of one core, overlap nothing and keep usable proportions."""
    graph = large(groups=groups)
    begin_s = time.process_time()
    places = arrange(*graph)
    assert time.process_time() - begin_s < 2
    assert not overlapping(places)
    assert not meeting(bands(graph[0], graph[2], places))
    assert 1.2 < proportions(places) < 2.6


@pytest.mark.parametrize("groups", [12, 80])
def test_a_large_drawing_takes_many_new_boxes(groups: int) -> None:
    """Sixty boxes that come later, in two goes, overlap nothing and keep bands apart, in one stack and in several."""
    boxes, paths, wanted = large(groups=groups)
    order = random.Random(2).sample(boxes, len(boxes))
    first = arrange(order[:940], paths, wanted)
    second = place_new(order[:970], paths, wanted, first)
    third = place_new(boxes, paths, wanted, second)
    assert {one: third[one] for one in first} == first
    assert not overlapping(third)
    assert not meeting(bands(boxes, wanted, third))


def test_a_drawing_can_grow_box_by_box() -> None:
    """The bank, seen service by service in any order, ends without overlaps and with users at the left."""
    boxes, paths, groups = bank()
    places: dict[str, Point] = {}
    for count in range(1, len(boxes) + 1):
        places = place_new(random.Random(4).sample(boxes, len(boxes))[:count], paths, groups, places)
    assert not overlapping(places)
    left_of_bands = max(places[box.id][0] for box in boxes if box.group in ("users", "access"))
    assert left_of_bands < min(places[box.id][0] for box in boxes if box.group not in ("users", "access"))


def test_one_more_box_finds_a_place_near_its_neighbour_in_its_own_band() -> None:
    """In a large drawing a new service stands in its own group and layer, not far from what it calls."""
    boxes, paths, groups = large()
    before = arrange(boxes, paths, groups)
    callee = next(box for box in boxes if box.layer == 4)
    new = Box("new", callee.group, 3)
    after = place_new([*boxes, new], [*paths, Path("new", callee.id)], groups, before)
    columns_of_layer = {before[box.id][0] for box in boxes if box.layer == 3}
    own = [part for part in bands(boxes, groups, before) if part.group == callee.group]
    assert after["new"][0] in columns_of_layer
    assert own[0].top <= after["new"][1] <= own[0].bottom


def test_a_full_band_goes_on_below_the_drawing() -> None:
    """When neither its rows nor the space around them are free, a new box opens a second part below."""
    boxes = [Box(f"{group}{i}", group, 0) for group in "abc" for i in range(2)]
    before = arrange(boxes, [], [Group(group) for group in "abc"])
    after = place_new([*boxes, Box("b2", "b", 0), Box("b3", "b", 0)], [], [Group(group) for group in "abc"], before)
    assert after["b2"][1] > max(y for _, y in before.values())
    assert after["b3"] == (after["b2"][0], after["b2"][1] + SIZES.pitch)


def test_a_new_layer_gets_a_column_where_there_is_room() -> None:
    """Right of the last column a new layer gets its own; between two columns it shares one, and moves nobody."""
    boxes = [Box("a", "one", 0), Box("c", "one", 4)]
    before = arrange(boxes, [Path("a", "c")])
    after = place_new([*boxes, Box("b", "one", 2), Box("d", "one", 6)], [Path("c", "d")], [], before)
    assert after["d"][0] >= after["c"][0] + SIZES.width + SIZES.column_gap
    assert after["b"][0] in (after["a"][0], after["c"][0])


def test_unknown_and_repeated_ends_of_paths_are_ignored() -> None:
    """A path to a box that is not there, to itself, or given twice draws nothing extra."""
    net: Network = network([Box("a", "one"), Box("b", "one")], [
        Path("a", "b", 4), Path("a", "b", 5), Path("a", "a"), Path("a", "ghost"), Path("ghost", "b")])
    assert (net.source.tolist(), net.target.tolist(), net.weight.tolist()) == ([0], [1], [2.0])
