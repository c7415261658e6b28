"""What answers of the interface for programs share: strict JSON, times as texts, and refusals that name a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import orjson
from starlette.responses import Response

from app.engine.moments import rfc3339
from app.views import Json
from app.web.parameters import Columns
from app.web.problems import Problem

T = TypeVar("T")


class Answer(Response):
    """Strict JSON: what is not a number becomes null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def checked(make: Callable[[], T], key: str) -> T:
    """What `make` makes; its ValueError as a 400 that names the parameter `key`."""
    try:
        return make()
    except ValueError as wrong:
        raise Problem(400, str(wrong), key) from None


def stepped(asked: Columns, now_s: float) -> tuple[float, float, int]:
    """From, to and step of a request; a 400 names the parameter that is at fault."""
    checked(lambda: asked.between(now_s), "from")
    return checked(lambda: asked.steps(now_s), "step")


def with_times(columns: Json) -> Json:
    """Columns whose `times` are RFC 3339 instead of epoch seconds."""
    return {**columns, "times": [rfc3339(time_s) for time_s in columns["times"]]}
