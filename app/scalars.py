"""Single values of a configuration: what fits a type, and how a misfit is put in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml

from collectors.config import Duration, FileOnDisk, FolderToWatch, Matching, Range, Size, octets, seconds


class Text(str):
    """A value that came as text (an environment variable, a flag): a number or list is still to be read from it."""

    __slots__ = ()


class Refused(Exception):
    """A value that does not fit; the message says what was expected."""


def plain(raw: Any) -> Any:
    """The value that a Text stands for; anything else as it is."""
    if not isinstance(raw, Text):
        return raw
    try:
        return yaml.safe_load(raw)
    except yaml.YAMLError:
        return str(raw)


def shown(raw: Any) -> str:
    """A value as a fault shows it: short, on one line."""
    if raw is None:
        return "nothing"
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, Mapping):
        return "a mapping"
    if isinstance(raw, list | tuple):
        return "a list"
    text = repr(str(raw)) if isinstance(raw, str) else str(raw)
    return text if len(text) <= 80 else text[:77] + "..."


def scalar(hint: Any, raw: Any, folder: Path) -> Any:
    """A value of the annotated type `hint`; raises Refused when it does not fit."""
    kind, marks = (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
    mark = marks[0] if marks else None
    if isinstance(mark, Duration | Size):
        return _quantity(mark, raw)
    if get_origin(kind) is Literal:
        return _one_of(get_args(kind), raw)
    if kind is Path:
        if isinstance(mark, FolderToWatch):
            return _folder(raw, folder)
        return _path(raw, folder, exists=isinstance(mark, FileOnDisk))
    if kind is str:
        return _text(raw, mark)
    if kind is re.Pattern or get_origin(kind) is re.Pattern:
        return _pattern(raw)
    return _number(kind, plain(raw), mark)


def _quantity(mark: Duration | Size, raw: Any) -> float:
    example, read, show = ("a duration such as 30s or 1h30m", seconds, _duration)
    if isinstance(mark, Size):
        example, read, show = "a size such as 64MiB", octets, _size
    try:
        value = read(raw if isinstance(raw, str) else "")
    except ValueError as refusal:
        raise Refused(example) from refusal
    return _within(value, mark, example, show)


def _number(kind: Any, raw: Any, mark: Range | None) -> Any:
    if kind is bool:
        return _one_of((True, False), raw)
    words = "a whole number" if kind is int else "a number"
    if isinstance(raw, bool) or not isinstance(raw, int if kind is int else int | float):
        raise Refused(words + (_bounds(mark, str) if mark else ""))
    return _within(kind(raw), mark or Range(), words, str)


def _within(value: float, bounds: Range, words: str, show: Callable[[Any], str]) -> float:
    if not bounds.at_least <= value <= bounds.at_most:
        raise Refused(words + _bounds(bounds, show))
    return value


def _bounds(bounds: Range, show: Callable[[Any], str]) -> str:
    low, high = bounds.at_least, bounds.at_most
    if low == float("-inf"):
        return f", at most {show(high)}"
    return f", at least {show(low)}" if high == float("inf") else f" from {show(low)} to {show(high)}"


def _one_of(allowed: tuple[Any, ...], raw: Any) -> Any:
    value = str(raw) if isinstance(allowed[0], str) and isinstance(raw, str) else plain(raw)
    if any(value is word or (isinstance(word, str) and value == word) for word in allowed):
        return value
    raise Refused(" or ".join(str(word).lower() if isinstance(word, bool) else str(word) for word in allowed))


def _text(raw: Any, mark: Matching | None) -> str:
    words = mark.words if mark else "text"
    if not isinstance(raw, str) or (mark and not re.fullmatch(mark.pattern, raw)):
        raise Refused(words)
    return str(raw)


def _path(raw: Any, folder: Path, exists: bool) -> Path:
    if not isinstance(raw, str) or not raw:
        raise Refused("the name of a file" if exists else "a path")
    path = Path(raw).expanduser()
    if not exists:
        return path
    try:
        (folder / path).open("rb").close()
    except OSError as failure:
        raise Refused(f"a readable file ({failure.strerror})") from failure
    return folder / path


def _folder(raw: Any, folder: Path) -> Path:
    path = _path(raw, folder, exists=False)
    return folder / path if (folder / path).is_dir() else path


def _pattern(raw: Any) -> re.Pattern[str]:
    try:
        return re.compile(raw if isinstance(raw, str) else "(")
    except re.error as refusal:
        raise Refused(f"a regular expression ({refusal})" if isinstance(raw, str) else "a regular expression") from None


def _duration(value: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if value >= length and value % length == 0:
            return f"{int(value // length)}{unit}"
    return f"{value:g}s" if value >= 1 or value == 0 else f"{value * 1000:g}ms"


def _size(value: float) -> str:
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if value >= 1 << power and value % (1 << power) == 0:
            return f"{int(value) >> power}{unit}"
    return f"{int(value)}B"
