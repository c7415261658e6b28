"""One entry of `objectives`: its target, exactly as written, and its time slices."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from topology.slo.objectives import Method
from topology.slo.openslo.period import read_slice
from topology.slo.openslo.place import Place

FIELDS = ("displayName", "op", "value", "target", "targetPercent", "timeSliceTarget", "timeSliceWindow", "indicator",
          "indicatorRef", "compositeWeight")  # fmt: skip
MOST_PLACES = 12
MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Target:
    """What an objective asks for. `slice_target` goes with the method Timeslices alone."""

    place: Place
    title: str
    share: Decimal
    slice_s: int
    slice_target: Decimal | None
    weight: Decimal

    @property
    def written(self) -> Place:
        """Where the target is written."""
        return self.place.at("target" if not self.place.at("target").absent else "targetPercent")


def read_target(place: Place, method: str | None) -> Target | None:
    """The target of an objective; None when it is at fault."""
    if not place.fields(FIELDS):
        return None
    title, share = place.at("displayName").text(), _share(place)
    weight = place.at("compositeWeight").number()
    if weight is not None and weight <= 0:
        place.at("compositeWeight").fault("range", "a number above 0")
    slice_s, slice_target = _slices(place, method)
    return Target(place, title, share, slice_s, slice_target, weight or Decimal(1)) if share is not None else None


def _slices(place: Place, method: str | None) -> tuple[int, Decimal | None]:
    target, window = place.at("timeSliceTarget"), place.at("timeSliceWindow")
    sliced = method in (Method.TIMESLICES, Method.RATIO_TIMESLICES)
    if sliced and window.absent:
        window.fault("required", f"a duration, since budgetingMethod is {method}")
    if method == Method.TIMESLICES and target.absent:
        target.fault("required", "a number above 0, up to 1, since budgetingMethod is Timeslices")
    good, length = target.number(), read_slice(window)
    if good is not None and not 0 < good <= 1:
        target.fault("range", "a number above 0, up to 1")
    return length.seconds if length and sliced else MINUTE_S, good if method == Method.TIMESLICES else None


def _share(place: Place) -> Decimal | None:
    key = place.exactly_one("target", "targetPercent")
    number = place.at(key).number() if key else None
    if key is None or number is None:
        return None
    limit = 1 if key == "target" else 100
    if not 0 <= number < limit:
        place.at(key).fault("range", f"a number from 0 to below {limit}")
        return None
    share = number if key == "target" else number.scaleb(-2)
    exponent = share.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -MOST_PLACES:
        place.at(key).fault("range", f"at most {MOST_PLACES} decimal places of a share")
        return None
    return share
