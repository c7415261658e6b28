"""The clock of a source that is asked: what it is asked for, and how it waits for one that does not answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from app.runner.asking import Asking, Source
from app.runner.coverage import Coverage, Span
from collectors.config import Pace
from collectors.contract import Pulled
from topology.errors import Overloaded, SourceUnavailable, Why

NOW_S = 1_800_000_000.0
PACE = Pace(interval_s=30, overlap_s=300, settle_s=5, catch_up_s=3600, catch_up_share=1)


@dataclass
class Script:
    """A source that answers as it is told to, and remembers what it was asked."""

    answers: Callable[[], Pulled] = Pulled
    asked: list[Span] = field(default_factory=list)
    closed: bool = False

    def pull(self, from_s: int, to_s: int) -> Pulled:
        """The next answer."""
        self.asked.append(Span(from_s, to_s))
        return self.answers()

    def counters(self) -> dict[str, float]:
        """What the source counts of itself."""
        return {"requests": 3}

    def close(self) -> None:
        """Ends."""
        self.closed = True


@dataclass
class House:
    """Where answers go, and the time."""

    now_s: float = NOW_S
    delivered: list[tuple[str, Pulled, bytes]] = field(default_factory=list)
    refusal: Exception | None = None

    def deliver(self, source: str, pulled: Pulled, checkpoint: bytes) -> None:
        """Takes an answer in, or refuses it."""
        if self.refusal:
            raise self.refusal
        self.delivered.append((source, pulled, checkpoint))


def source(script: Script, house: House, stored: bytes | None = None, *, has_past: bool = False,
           pace: Pace = PACE) -> Source:  # fmt: skip
    """The source, not started: a test steps."""
    asking = Asking("oap", "skywalking", script, pace, house.deliver, lambda: stored, has_past, lambda: house.now_s)
    return Source(asking, chance=lambda: 0.5)


def refusing(reasons: Iterator[Exception]) -> Callable[[], Pulled]:
    """Raises one after the other."""

    def answer() -> Pulled:
        raise next(reasons)

    return answer


def test_newest_minutes_are_asked_for_again_and_again():
    """Every pull covers the overlap, so that minutes that changed are told again; its checkpoint goes with it."""
    script, house = Script(), House()
    asked = source(script, house)
    assert asked.step() == 30
    house.now_s += 60
    asked.step()
    assert script.asked == [Span(1_799_999_640, 1_799_999_940), Span(1_799_999_700, 1_800_000_000)]
    assert Coverage.read(house.delivered[-1][2]) == Coverage((Span(1_799_999_640, 1_799_999_700),), script.asked[-1])
    assert asked.status()["state"] == "ok"
    assert asked.status()["lag_s"] is None


def test_past_is_read_after_the_newest_and_once():
    """What lies before is read newest first until the whole of it is there, and then not again."""
    script, house = Script(), House()
    asked = source(script, house, has_past=True)
    asked.step()
    while script.asked[-1].from_s > NOW_S - 3600:
        asked.step()
    past = [span for span in script.asked if span.to_s <= 1_799_999_640]
    assert [span.to_s for span in past] == sorted((span.to_s for span in past), reverse=True)
    assert sum(span.minutes for span in past) == 54
    asked.step()
    assert len([span for span in script.asked if span.to_s <= 1_799_999_640]) == len(past)
    assert asked.status()["counters"]["minutes_to_catch_up"] == 0


def test_silent_source_is_asked_ever_more_seldom():
    """After each failure it waits twice as long, by chance a part less, up to five minutes; it says so in plain words,
    and comes back at once when the source does."""
    nobody = SourceUnavailable("nobody listens there", why=Why.UNREACHABLE)
    script, house = Script(refusing(iter(nobody for _ in range(9)))), House()
    asked = source(script, house)
    assert [asked.step() for _ in range(6)] == [22.5, 45, 90, 180, 225, 225]
    row = asked.status()
    assert (row["state"], row["last_error"], row["last_error_why"]) == ("failed", "nobody listens there", "unreachable")
    assert row["counters"]["failed_pulls"] == 6
    assert house.delivered == []
    script.answers = Pulled
    assert asked.step() == 30
    assert (asked.status()["state"], asked.status()["last_error"]) == ("ok", None)


def test_source_says_itself_when_it_may_be_asked_again():
    """A wait that the source asks for is kept."""
    script = Script(refusing(iter([SourceUnavailable("too many requests", retry_after_s=400)])))
    assert source(script, House()).step() == 400


@pytest.mark.parametrize("refusal", [Overloaded("the journal is full", 2), ZeroDivisionError("of our own")])
def test_answer_that_cannot_be_taken_is_asked_for_again(refusal):
    """Whatever goes wrong between answer and count, the minutes stay unread and the next pull comes."""
    script, house = Script(), House(refusal=refusal)
    asked = source(script, house)
    asked.step()
    assert asked.status()["state"] == "failed"
    house.refusal = None
    asked.step()
    assert [checkpoint for *_, checkpoint in house.delivered] == [Coverage(live=script.asked[0]).content(NOW_S)]


def test_troubles_of_an_answer_are_told_and_end_with_them():
    """A source that answers in part is degraded until it answers in full."""
    troubled = iter([Pulled(faults=("3 of 40 figures were refused",)), Pulled()])
    script = Script(lambda: next(troubled))
    asked = source(script, House())
    asked.step()
    assert (asked.status()["state"], asked.status()["last_error"]) == ("degraded", "3 of 40 figures were refused")
    asked.step()
    assert (asked.status()["state"], asked.status()["last_error"]) == ("ok", None)


def test_next_life_goes_on_where_the_last_one_ended():
    """With the stored checkpoint only what is missing is read; a damaged one means reading all of it again."""
    before = Coverage((Span(1_799_990_000 // 60 * 60, 1_799_999_400),), Span(1_799_999_400, 1_799_999_700))
    script, house = Script(), House()
    asked = source(script, house, before.content(NOW_S), has_past=True)
    asked.start()
    while not house.delivered:
        pass
    asked.stop()
    assert script.closed
    assert {span for span in script.asked if span.to_s < 1_799_999_640} == set()
    assert Coverage.read(house.delivered[0][2]).final[-1].to_s == 1_799_999_520
