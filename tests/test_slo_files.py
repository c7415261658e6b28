"""YAML files with exact numbers and lines, whatever stands in them."""

from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.slo.documents import read_file, read_text

HERE = Path("here.yaml")


def test_numbers_with_a_point_are_exact():
    """A target is the decimal that was written, in any way YAML has for it."""
    [found] = read_text(HERE, "[0.99, 99.90, .5, 1e-3, 7, -1, 1_0, 010, '0.9', 1:30, .inf]").documents
    exact = [Decimal(text) for text in ("0.99", "99.90", "0.5", "0.001")]
    assert found == [*exact, 7, -1, "1_0", 10, "0.9", "1:30", ".inf"]
    assert str(found[1]) == "99.90"


def test_a_date_stays_the_text_that_was_written():
    """`startTime: 2022-01-01 12:00:00` stands in OpenSLO's examples without quotes."""
    assert read_text(HERE, "a: 2022-01-01 12:00:00").documents == ({"a": "2022-01-01 12:00:00"},)


def test_every_path_has_its_line():
    """A fault names the line of its field; where a field is missing, that of what it is missing in."""
    file = read_text(HERE, "a: 1\n---\nb:\n  - c: 1\n    d: [x,\n      y]\n")
    assert [file.line(1, keys) for keys in ((), ("b",), ("b", 0, "d"), ("b", 0, "d", 1), ("b", 0, "e"), ("z",))] == [
        3, 3, 5, 6, 4, 3]  # fmt: skip


def test_merged_and_repeated_parts_are_read():
    """Anchors, aliases and merge keys save repetition; a key of one's own beats a merged one."""
    [found] = read_text(HERE, "x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: [*x, *x]").documents
    assert (found["y"], found["z"]) == ({"a": 1, "b": 3}, [{"a": 1, "b": 2}] * 2)


PAIRS = list(zip("abcdefgh", "bcdefghi", strict=True))
BOMB = "a: &a [x]\n" + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 20)}]\n" for a, b in PAIRS)
CHAIN = "a0: &a0 x\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}]\n" for n in range(100))
REFUSED = {
    "broken": ("a: 1\n b: 2", 2, "YAML"),
    "a key written twice": ("a: 1\nb: 2\na: 3", 3, "every key once"),
    "a value that holds itself": ("a: 1\nb: &b [*b]", 2, "values that do not hold themselves"),
    "a bomb of aliases": (BOMB, 6, "at most 1000000 values, 64 levels deep"),
    "a chain of aliases": (CHAIN, 66, "at most 1000000 values, 64 levels deep"),
    "levels that end the process in C": ("[" * 100_000, 1, "values at most 64 levels deep"),
    "a list as key": ("? [a]\n: b", 1, "keys that are words"),
    "an alias of nothing": ("\n*a", 2, "YAML"),
    "a merge of no mapping": ("a: {<<: [1]}", 1, "mappings to merge after <<"),
    "a control character": ("a: \x00", 1, "YAML"),
}


@pytest.mark.parametrize(("text", "line", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_yaml_of_ours_is_refused_with_its_line(text, line, expected):
    """Nothing is raised and nothing ends the process; the refusal says where and why."""
    refusal = read_text(HERE, text).refusal
    assert (refusal.line, refusal.expected) == (line, expected)


def test_file_that_cannot_be_read_says_why(tmp_path):
    """A missing file, a folder, other bytes than UTF-8, and a file that is too large."""
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large").write_text("#" * (9 << 20))
    found = [read_file(tmp_path / name).refusal.found for name in ("none", ".", "bytes", "large")]
    assert found == ["No such file or directory", "Is a directory", "other bytes", "a larger one"]


def test_byte_order_mark_is_no_part_of_the_text(tmp_path):
    """Files from an editor on Windows begin with one."""
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_file(tmp_path / "bom").documents == ({"a": 1},)


@given(st.text(max_size=60))
@settings(deadline=None)
def test_any_text_is_documents_or_a_refusal(text):
    """Whatever stands in a file, the answer is values or one line why not."""
    file = read_text(HERE, text)
    assert file.refusal is None or (file.documents == () and "\n" not in str(file.refusal))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
@settings(deadline=None)
def test_what_was_written_is_read(value):
    """Values without a point come back as a writer of YAML put them down."""
    file = read_text(HERE, yaml.safe_dump(value))
    assert file.documents == ((value,) if value is not None else (None,))
