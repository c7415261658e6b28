"""Personal data and secrets in free text, made unreadable before the text is stored, shown or sent.

Sources: ISO/IEC 7812-1 (issuer prefix, Luhn) and PCI DSS 4.0.1 3.4.1 (at most the first six and last four digits of a
card number are shown); GB 11643-1999 with ISO 7064 MOD 11-2 (resident identity numbers); the customary 138****5678
for mobile numbers. Trace ids, span ids and epoch timestamps (which begin with 1) are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

HIDDEN = "***"
MAX_PASSES = 4

_NOT_IN_NUMBER = r"(?<!\d)(?<!\d\.)"
_RESIDENT = re.compile(
    _NOT_IN_NUMBER + r"[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?!\d)",
    re.ASCII,
)
_CARD = re.compile(
    _NOT_IN_NUMBER + r"(?=[2-69])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{4}[ -]\d{6}[ -]\d{4,5}"
    r"|\d{6}[ -]\d{10,13})(?!\d)",
    re.ASCII,
)
_MOBILE = re.compile(_NOT_IN_NUMBER + r"((?:(?:\+|00)?86[ -]?)?)(1[3-9]\d)([ -]?)\d{4}\3(\d{4})(?!\d)", re.ASCII)
_MAIL = re.compile(r"(?<![\w.%+-])([\w.%+-])[\w.%+-]{0,63}+@((?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})", re.ASCII)
_JWT = re.compile(r"eyJ[\w-]{8,}+(?:\.[\w-]*+){0,4}", re.ASCII)
_BEARER = re.compile(r"(?i:(\bbearer\s+))(?=\S*\d)[\w.~+/=-]{8,}+", re.ASCII)
_BASIC = re.compile(r"(?i:(\bbasic\s+))(?=\S*[a-z0-9+/][A-Z0-9=])[A-Za-z0-9+/]{8,}+={0,2}", re.ASCII)
_COOKIE = re.compile(r"(?i:(\b(?:set-)?cookie[\"']?\s*[:=]\s*))[^\r\n]+", re.ASCII)
_URL_PASSWORD = re.compile(r"(://[^\s:/@]{0,256}:)[^\s@/]+(?=@)")
_SECRET_WORDS = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "api_key", "api-key", "accesskey",
    "access_key", "access-key", "privatekey", "private_key", "private-key", "authorization", "credential",
    "credentials", "cvv", "cvv2", "cvc2", "密码", "口令", "验证码",
)
_KEY_VALUE = re.compile(
    rf"(?i:((?:{'|'.join(sorted(_SECRET_WORDS, key=len, reverse=True))})\\?[\"']?\s{{0,4}}[:=：]\s{{0,4}})"
    r"(?:(?:bearer|basic|digest)\s+)?)(?:(\\?[\"'])[^\"']*|[^\s,;&\"'}\])]+)",
    re.ASCII,
)
_MANY_DIGITS = re.compile(r"\d{3,6}(?:[ -]|\d{4})\d{4}", re.ASCII)
_TRIGGERS = ("@", "eyj", "bearer", "basic", "cookie", "passw", "passph", "pwd", "secret", "token", "key", "authoriz",
             "credential", "cvv", "cvc", "密码", "口令", "验证码")
"""Lower-case pieces of which every secret contains at least one: a quick look before the slow one."""
_ID_BEFORE = re.compile(r"(?:trace|span|request)[_.\- ]?id\W{1,4}$", re.IGNORECASE)
_ID_LENGTHS = (16, 32)


@dataclass(frozen=True, slots=True)
class Rule:
    """One more thing to hide: every match of `pattern` becomes `replacement`."""

    name: str
    pattern: re.Pattern[str]
    replacement: str = HIDDEN

    def check(self) -> Iterator[tuple[str, str, str]]:
        """The replacement names no group that the pattern does not have."""
        matching_nothing_too = re.compile(f"{self.pattern.pattern}|", self.pattern.flags)
        try:
            matching_nothing_too.sub(self.replacement, "")
        except (re.error, IndexError) as wrong:
            yield "replacement", "a replacement whose groups are in the pattern", f"{self.replacement!r} ({wrong})"


class Masker:
    """Hides what the built-in rules and those of the house find. Thread-safe.

    Idempotent as far as the rules of the house are: masking a masked text changes nothing.
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = tuple(rules)

    def __call__(self, text: str) -> str:
        """The text with everything hidden that must not be seen."""
        for _ in range(MAX_PASSES):
            masked = self._own_rules(_built_in(text))
            if masked == text:
                break
            # hiding one number may uncover that its neighbours are another
            text = masked
        return text

    def _own_rules(self, text: str) -> str:
        for rule in self._rules:
            text = rule.pattern.sub(rule.replacement, text)
        return text


def mask(text: str) -> str:
    """The text with everything hidden that the built-in rules find."""
    return _PLAIN(text)


_PLAIN = Masker()


def _built_in(text: str) -> str:
    lower = text.lower()
    if any(trigger in lower for trigger in _TRIGGERS):
        text = _secrets(text)
    if _MANY_DIGITS.search(text):
        text = _numbers(text)
    return text


def _secrets(text: str) -> str:
    text = _COOKIE.sub(rf"\1{HIDDEN}", text)
    text = _KEY_VALUE.sub(_hide_value, text)
    text = _JWT.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = _BASIC.sub(rf"\1{HIDDEN}", text)
    text = _URL_PASSWORD.sub(rf"\1{HIDDEN}", text)
    return _MAIL.sub(rf"\1{HIDDEN}@\2", text)


def _hide_value(found: re.Match[str]) -> str:
    """A secret's value hidden; what opened it as a quotation stays, so that the closing quote still fits."""
    return f"{found[1]}{found[2] or ''}{HIDDEN}"


def _numbers(text: str) -> str:
    # the identity number first: one in ten of them passes for a card number
    text = _RESIDENT.sub(_where(_is_resident, _hide(3, 4)), text)
    text = _CARD.sub(_where(_is_card, _hide(6, 4)), text)
    return _MOBILE.sub(_where(lambda _: True, lambda found: f"{found[1]}{found[2]}****{found[4]}"), text)


Replace = Callable[[re.Match[str]], str]


def _where(holds: Callable[[str], bool], replace: Replace) -> Replace:
    """A replacement of those matches that are what they look like, and no part of an id."""

    def checked(found: re.Match[str]) -> str:
        return replace(found) if holds(found[0]) and not _is_id(found) else found[0]

    return checked


def _hide(first: int, last: int) -> Replace:
    """Stars for all digits but the first and last ones; what separates them stays."""

    def hidden(found: re.Match[str]) -> str:
        """The match with its stars."""
        text = found[0]
        at = [i for i, character in enumerate(text) if character.isalnum()]
        stars = set(at[first:-last])
        return "".join("*" if i in stars else character for i, character in enumerate(text))

    return hidden


def _is_id(found: re.Match[str]) -> bool:
    """Whether digits belong to a trace or span id: inside a word of hex digits of their lengths, or named so."""
    text, start, end = found.string, found.start(), found.end()
    if _ID_BEFORE.search(text, max(0, start - 16), start):
        return True
    while start > 0 and text[start - 1] in "0123456789abcdefABCDEF":
        start -= 1
    while end < len(text) and text[end] in "0123456789abcdefABCDEF":
        end += 1
    return end - start in _ID_LENGTHS and end - start > len(found[0])


def _is_resident(number: str) -> bool:
    """ISO 7064 MOD 11-2 over the first 17 digits against the check character."""
    weighted = sum(int(digit) * pow(2, 17 - i, 11) for i, digit in enumerate(number[:17]))
    return "10X98765432"[weighted % 11] == number[17].upper()


def _is_card(text: str) -> bool:
    """13 to 19 digits that pass the Luhn check."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
