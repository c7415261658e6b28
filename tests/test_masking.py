"""What must not be seen, hidden; what must be seen, left alone. python-stdnum decides what is a number of its kind."""

from __future__ import annotations

import re
import time
from datetime import date

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.cn import ric

from topology.masking import MAX_PASSES, Masker, Rule, mask

around = st.sampled_from(["", " ", "卡号", "已扣款", ",", "：", '"', "(", "\n"])
digits = st.text("0123456789", min_size=1, max_size=18)


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    """13 to 19 digits with an issuer's first digit and a right check digit."""
    body = draw(st.sampled_from("234569")) + draw(st.text("0123456789", min_size=11, max_size=17))
    return body + luhn.calc_check_digit(body)


@st.composite
def identity_numbers(draw: st.DrawFn) -> str:
    """Resident identity numbers with a right check character, in either case."""
    day = draw(st.dates(date(1900, 1, 1), date(2025, 12, 31)))
    body = draw(st.sampled_from(["110105", "310101", "440106"])) + day.strftime("%Y%m%d") \
        + f"{draw(st.integers(0, 999)):03d}"
    number = body + ric.calc_check_digit(body + "0")  # it leaves out the last one
    return draw(st.sampled_from([number, number.lower()]))


@given(card_numbers(), around, around)
def test_card_numbers_are_hidden_wherever_they_stand(number: str, before: str, after: str) -> None:
    """At most the first six and last four digits of a card number remain, also next to Chinese characters."""
    masked = mask(before + number + after)
    assert number not in masked
    assert masked in {f"{before}{number[:6]}{'*' * (len(number) - 10)}{number[-4:]}{after}",
                      f"{before}{number[:3]}{'*' * 11}{number[-4:]}{after}"}  # fmt: skip


@pytest.mark.parametrize(("text", "masked"), [
    ("4539 5787 6362 1486", "4539 57** **** 1486"),
    ("4539-5787-6362-1486", "4539-57**-****-1486"),
    ("6222 0212 3456 7890 128", "6222 02** **** ***0 128"),
    ("3782 822463 10005", "3782 82**** *0005"),
    ("卡号4539578763621486已扣款", "卡号453957******1486已扣款"),
    ("PAN4539578763621486", "PAN453957******1486"),
])  # fmt: skip
def test_card_numbers_in_groups_are_hidden(text: str, masked: str) -> None:
    """Groups as they are printed on cards are recognised, and stay groups."""
    assert luhn.is_valid(re.sub(r"\D", "", text))
    assert mask(text) == masked


@given(st.text("0123456789", min_size=13, max_size=19))
def test_digits_that_are_no_card_and_no_identity_stay(number: str) -> None:
    """A wrong check digit or an impossible first digit is no card number; telephone numbers are another matter."""
    assume(number[0] in "0178" or not luhn.is_valid(number))
    assume(not ric.is_valid(number))
    assume(not re.fullmatch(r"(00)?861[3-9]\d{9}", number))  # a mobile number with the code of its country
    assert mask(f"order {number} placed") == f"order {number} placed"


@given(identity_numbers(), around, around)
def test_resident_identity_numbers_are_hidden(number: str, before: str, after: str) -> None:
    """A valid resident identity number keeps its first three and last four characters only."""
    assert mask(before + number + after) == f"{before}{number[:3]}{'*' * 11}{number[-4:]}{after}"


@pytest.mark.parametrize("number", ["360426199101010071", "11010519491231002X", "11010519491231002x"])
def test_known_identity_numbers(number: str) -> None:
    """Published examples are recognised; with one digit changed they are not."""
    assert mask(number) == f"{number[:3]}***********{number[-4:]}"
    wrong = number[:10] + str((int(number[10]) + 1) % 2) + number[11:]
    assert mask(wrong) in {wrong, f"{wrong[:6]}********{wrong[-4:]}"}


@pytest.mark.parametrize(("text", "masked"), [
    ("13812345678", "138****5678"),
    ("手机号13812345678。", "手机号138****5678。"),
    ("+86 138 1234 5678", "+86 138****5678"),
    ("+8613812345678", "+86138****5678"),
    ("138-1234-5678", "138****5678"),
    ("12812345678", "12812345678"),
    ("138123456789", "138123456789"),
])  # fmt: skip
def test_mobile_numbers(text: str, masked: str) -> None:
    """Eleven digits from 13 to 19 keep three and four of them."""
    assert mask(text) == masked


@pytest.mark.parametrize(("text", "masked"), [
    ("mail to ann.lee+x@example.com.cn now", "mail to a***@example.com.cn now"),
    ("邮箱ann@example.com", "邮箱a***@example.com"),
    ("user@localhost", "user@localhost"),
    ("@Override public void a() @Bean", "@Override public void a() @Bean"),
])  # fmt: skip
def test_mail_addresses(text: str, masked: str) -> None:
    """A mail address keeps its first letter and its domain."""
    assert mask(text) == masked


@pytest.mark.parametrize(("text", "masked"), [
    ("Authorization: Bearer abc.def-123", "Authorization: ***"),
    ("sent Bearer 8f14e45fceea167a", "sent Bearer ***"),
    ("Basic dXNlcjpwYXNzd29yZA==", "Basic ***"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig_nature-1", "***"),
    ('{"password": "a b\'c", "x": 1}', '{"password": "***\'c", "x": 1}'),
    ('{"password":"hunter2","x":1}', '{"password":"***","x":1}'),
    ("db_password=hunter2&x=1", "db_password=***&x=1"),
    ("PASSWORD : hunter2, next", "PASSWORD : ***, next"),
    ("api-key=abc token=def secret: ghi", "api-key=*** token=*** secret: ***"),
    ("密码：abc123 口令=x 验证码:998877", "密码：*** 口令=*** 验证码:***"),
    ("postgres://app:s3cret@db:5432/x", "postgres://app:***@db:5432/x"),
    ("Set-Cookie: sid=31337; path=/", "Set-Cookie: ***"),
    ("cvv=123", "cvv=***"),
])  # fmt: skip
def test_secrets(text: str, masked: str) -> None:
    """Tokens, passwords and one-time codes are hidden; what surrounds them stays readable."""
    assert mask(text) == masked


@pytest.mark.parametrize("text", [
    "5b8efff798038103d269b633813fc60c",
    "trace 45395787636214860000000000000abc",
    "trace_id=4539578763621486 span_id=4539578763621486",
    "00-4539578763621486aaaaaaaaaaaaaaaa-4539578763621486-01"[:35],
    "1760000000 1760000000000 1760000000000000 1760000000000000000",
    "0.4539578763621486 3.4539578763621486",
    "2026-11-21 12:00:01.123 port 5432 took 12345678 us",
    "basic information about the bearer authentication failed",
    "tokens: 512, max_tokens=100, the token is missing, keyboard",
    "550e8400-e29b-41d4-a716-446655440000",
])  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    """Ids of traces and spans, timestamps, fractions and ordinary words are left alone."""
    assert mask(text) == text


pieces = st.one_of(
    card_numbers(), identity_numbers(), digits, st.text(max_size=6), around,
    st.sampled_from(["password=", "token: ", "Bearer ", "a@b.cc", "13812345678", "eyJabcdefgh1.x", "://u:p@h", "***",
                     "cookie: ", "86", "+", "-", "x"]),
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(pieces, max_size=12).map("".join))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    """Masking is idempotent."""
    assert mask(mask(text)) == mask(text)


def test_rules_of_the_house_are_added() -> None:
    """A rule by name and pattern hides its matches, beside the built-in ones."""
    masker = Masker([Rule("account", re.compile(r"acct-\d+"), "acct-***"), Rule("branch", re.compile("BR[0-9]{4}"))])
    assert masker("acct-991 at BR0042 by 13812345678") == "acct-*** at *** by 138****5678"


@pytest.mark.parametrize(("pattern", "replacement", "good"), [
    ("CT-([0-9]{4})[0-9]{4}", r"CT-\1****", True), ("(?i)ct-(?P<first>[0-9]+)", r"\g<first>", True),
    ("CT-[0-9]{8}", r"\9", False), ("(?i)CT-([0-9]+)", r"\g<first>", False), ("CT", "\\q", False),
])  # fmt: skip
def test_a_replacement_without_its_group_is_a_fault(pattern: str, replacement: str, good: bool) -> None:
    """A rule that could not be applied is named when it is configured, not met by the first text that it matches."""
    faults = list(Rule("contract", re.compile(pattern), replacement).check())
    assert [key for key, _, _ in faults] == ([] if good else ["replacement"])


def test_a_rule_that_feeds_itself_ends() -> None:
    """A rule whose replacement matches again is applied a bounded number of times."""
    assert Masker([Rule("loop", re.compile("a"), "aa")])("a") == "a" * 2**MAX_PASSES


@pytest.mark.parametrize("piece", ["a", "1", "1-", "e.", "a@", "://a:", "password=", "password ", "eyJa", "cookie:",
                                   "bearer a", "4 ", "13812345678 ", '"', "basic A"])  # fmt: skip
def test_no_text_takes_long(piece: str) -> None:
    """Twenty thousand characters of any repetition are masked within a fraction of a second."""
    text = piece * (20_000 // len(piece))
    begun = time.process_time()
    mask(text)
    assert time.process_time() - begun < 0.5
