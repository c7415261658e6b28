"""How benchmarks tell what they found: a figure, what it is compared with, the ratio, and the bar it has to pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of a table. With a bar, `ratio` must reach it; with `at_most`, it must stay below."""

    what: str
    found: str
    baseline: str = ""
    ratio: float | None = None
    bar: float | None = None
    at_most: bool = False

    @property
    def passed(self) -> bool:
        """Whether the bar is held; True without one."""
        if self.bar is None or self.ratio is None:
            return True
        return self.ratio <= self.bar if self.at_most else self.ratio >= self.bar

    def cells(self) -> tuple[str, ...]:
        """What stands in the columns of the table."""
        ratio = "" if self.ratio is None else f"{self.ratio:.3g}"
        bar = "" if self.bar is None else f"{'<=' if self.at_most else '>='} {self.bar:g}"
        verdict = "" if self.bar is None else ("ok" if self.passed else "MISSED")
        return (self.what, self.found, self.baseline, ratio, bar, verdict)


HEAD = ("figure", "found", "baseline", "ratio", "bar", "")


def show(figures: Iterable[Figure], machine: str) -> bool:
    """Prints the table; whether every bar is held."""
    figures = list(figures)
    rows = [HEAD, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    print(f"\nmeasured on {machine}")
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return all(figure.passed for figure in figures)
