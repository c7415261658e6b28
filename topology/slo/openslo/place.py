"""A value inside a document, with the path that leads to it: whatever is wrong there is noted with that path."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

Path = tuple[str | int, ...]
MOST_DIGITS = 30
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
NAME_WORDS = "a name of at most 63 small letters, digits and hyphens, beginning and ending with a letter or digit"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, or only doubtful (`warning`), at a path of the document with this number."""

    document: int
    path: Path
    rule: str
    expected: str
    found: str
    warning: bool = False


class Place(NamedTuple):
    """A value and where it stands; `findings` is shared by all places of one reading."""

    value: object
    path: Path
    document: int
    findings: list[Finding]

    def at(self, key: str | int) -> Place:
        """The place below; its value is None where there is nothing."""
        below: object = None
        if isinstance(self.value, dict):
            below = self.value.get(key)
        elif isinstance(self.value, list) and isinstance(key, int) and key < len(self.value):
            below = self.value[key]
        return Place(below, (*self.path, key), self.document, self.findings)

    @property
    def absent(self) -> bool:
        """Nothing is written here, or null."""
        return self.value is None

    def fault(self, rule: str, expected: str, found: str | None = None) -> None:
        """Notes that the document cannot be used as it is."""
        self.findings.append(Finding(self.document, self.path, rule, expected, found or shown(self.value)))

    def warn(self, rule: str, expected: str, found: str | None = None) -> None:
        """Notes what is doubtful and read all the same."""
        self.findings.append(Finding(self.document, self.path, rule, expected, found or shown(self.value), True))

    def fields(self, known: Iterable[str], required: Iterable[str] = ()) -> bool:
        """Whether this is a mapping; notes what is not known in it and what is missing."""
        if not isinstance(self.value, dict):
            self.fault("type", "a mapping")
            return False
        words = list(known)
        for key in self.value:
            if key not in words:
                self.at(key).fault("unknown-field", _known(str(key), words), "an unknown field")
        for key in required:
            if self.at(key).absent:
                self.at(key).fault("required", "a value")
        return True

    def items(self) -> list[Place]:
        """The places of a list; notes when it is none."""
        if not isinstance(self.value, list):
            self.fault("type", "a list")
            return []
        return [self.at(number) for number in range(len(self.value))]

    def exactly_one(self, *keys: str) -> str | None:
        """Which of the keys is written; notes none and several."""
        written = [key for key in keys if not self.at(key).absent]
        if len(written) != 1:
            self.fault("exactly-one", f"exactly one of {', '.join(keys)}", " and ".join(written) or "none of them")
            return None
        return written[0]

    def text(self, most: int | None = None) -> str:
        """A text that is not empty, "" where none is; notes what is no text, or longer than `most` characters."""
        if self.absent:
            return ""
        if not isinstance(self.value, str) or not self.value.strip():
            self.fault("type", "text (in quotes, if it looks like a number)")
            return ""
        if most is not None and len(self.value) > most:
            self.fault("length", f"at most {most} characters", f"{len(self.value)}")
        return self.value

    def name(self) -> str:
        """A name as RFC 1123 has it, "" where none is."""
        if self.absent:
            return ""
        if not isinstance(self.value, str) or NAME.fullmatch(self.value) is None:
            self.fault("name", NAME_WORDS)
            return ""
        return self.value

    def truth(self, default: bool = False) -> bool:
        """true or false."""
        if self.absent or isinstance(self.value, bool):
            return default if self.value is None else bool(self.value)
        self.fault("type", "true or false")
        return default

    def one_of(self, words: Sequence[str]) -> str | None:
        """One of the words; None where none is."""
        if self.absent:
            return None
        if not isinstance(self.value, str) or self.value not in words:
            near = difflib.get_close_matches(self.value, words, n=1) if isinstance(self.value, str) else []
            hint = f" (did you mean {near[0]}?)" if near and len(words) > 1 else ""
            self.fault("one-of", f"one of {', '.join(words)}{hint}" if len(words) > 1 else words[0])
            return None
        return self.value

    def number(self) -> Decimal | None:
        """An exact number; None where none is, or one with an absurd number of digits."""
        if self.absent:
            return None
        found = decimal(self.value)
        if found is None:
            self.fault("type", "a number")
        return found


def decimal(raw: object) -> Decimal | None:
    """The exact decimal of a number; None for what is no number, not finite, or has over 30 digits."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal):
        return None
    if isinstance(raw, int) and raw.bit_length() > 100:
        return None
    number = Decimal(repr(raw)) if isinstance(raw, float) else Decimal(raw)
    if not number.is_finite() or len(number.as_tuple().digits) > MOST_DIGITS or abs(number.adjusted()) > MOST_DIGITS:
        return None
    return number


def spelled(path: Path) -> str:
    """A path in words: `spec.objectives[0].target`."""
    words = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return words.removeprefix(".") or "the document"


def shown(raw: object) -> str:
    """A value as a finding shows it: short, on one line."""
    if raw is None:
        return "nothing"
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, dict):
        return "a mapping" if raw else "an empty mapping"
    if isinstance(raw, list | tuple):
        return "a list" if raw else "an empty list"
    if isinstance(raw, int) and raw.bit_length() > 100:
        return "a number of many digits"
    text = repr(raw) if isinstance(raw, str) else str(raw)
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "..."


def _known(word: str, words: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f"a known field (did you mean {near[0]}?)" if near else f"one of {', '.join(sorted(words))}"
