"""Strings become numbers: equal ones the same, others different ones, at every length."""

from hypothesis import given, settings
from hypothesis import strategies as st

from topology.interning import Interner


def test_a_string_of_any_length_keeps_its_number_and_comes_back() -> None:
    """What was seen before is found again, in one block or in several."""
    table = Interner(1 << 10, 1 << 16, seed=7)
    texts = ["abcdefghij"[k % 10] * k + suffix for k in range(200) for suffix in ("x", "y")]
    numbers = [table.number(text) for text in texts]
    assert [table.number(text) for text in texts] == numbers
    assert len(set(numbers)) == len(set(texts))
    assert [table.text(number) for number in numbers] == texts


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=150)))
def test_equal_bytes_have_one_number_and_different_bytes_different_ones(contents: list[bytes]) -> None:
    """Numbers stand for contents as a dictionary's keys would, also after the table has grown."""
    table = Interner(1 << 16, 1 << 22, seed=7)
    for k in range(4000):
        table.number(f"filler {k}")
    numbers: dict[bytes, int] = {}
    for content in contents + contents:
        assert numbers.setdefault(content, table.number_of(content)) == table.number_of(content)
        assert table.raw(numbers[content]) == content
    assert len(set(numbers.values())) == len(numbers)
