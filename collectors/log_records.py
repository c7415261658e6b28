"""What log records have in common whoever sends them: levels, and bodies that are masked before they are cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

MAX_BODY_CHARS = 2000
MARGIN_CHARS = 512
"""Masked beyond what is kept, so that a number across the cut is whole when it is looked at."""
LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
ERRORS = frozenset(("error", "fatal"))
FIRST_ERROR = 17
"""The lowest severity number of an error (OpenTelemetry's log data model: four numbers to a level)."""
WORDS: Mapping[str, Sequence[str]] = {
    "trace": ("trace", "verbose", "finest", "finer", "silly"),
    "debug": ("debug", "fine", "config"),
    "info": ("info", "information", "informational", "notice", "log"),
    "warn": ("warn", "warning"),
    "error": ("error", "err", "severe"),
    "fatal": ("fatal", "critical", "crit", "alert", "emergency", "emerg", "panic"),
}
_OF_WORD: Mapping[str, str] = {word: level for level, words in WORDS.items() for word in words}
OF_TENS: Mapping[str, str] = {str(10 * n): level for n, level in enumerate(LEVELS, 1)}
"""As bunyan and pino write them."""


def level_of(number: int, word: str) -> str:
    """The level of a severity: by number (data model: four to a level), else by text, else info."""
    if 1 <= number <= 24:
        return LEVELS[(number - 1) // 4]
    plain = word.strip().lower()
    return OF_TENS.get(plain) or _OF_WORD.get(plain.rstrip("0123456789"), "info")


def masked_body(whole: str, mask: Callable[[str], str]) -> str:
    """The beginning of a text, masked; what was cut off ends in an ellipsis."""
    masked = mask(_beginning(whole))
    return masked if len(masked) <= MAX_BODY_CHARS else masked[: MAX_BODY_CHARS - 1] + "…"


def _beginning(whole: str) -> str:
    """As much of a text as is looked at; a number that the cut would leave in half, and unrecognisable, goes."""
    if len(whole) <= MAX_BODY_CHARS + MARGIN_CHARS:
        return whole
    return whole[: MAX_BODY_CHARS + MARGIN_CHARS].rstrip("0123456789 -")
