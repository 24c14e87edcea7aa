"""Regular expressions: PCRE's meaning on RE2, in linear time, or a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from flowcept.errors import InvalidArgumentError, Reason
from flowcept_service.query import MAX_PATTERN_LENGTH, compile_filter


def search(pattern: str, text: str, options: str = "") -> bool:
    return compile_filter({"v": {"$regex": pattern, "$options": options}})({"v": text})


@pytest.mark.parametrize(
    ("pattern", "options", "text", "expected"),
    [
        ("b", "", "abc", True),
        ("^b", "", "abc", False),
        (r"^a\.b", "", "a.b", True),
        (r"^a\.b", "", "axb", False),
        ("", "", "", True),
        ("c$", "", "abc", True),
        ("c$", "", "abc\n", True),
        ("c$", "", "abc\n\n", False),
        (r"c\z", "", "abc\n", False),
        (r"c\Z", "", "abc\n", True),
        ("^c", "m", "ab\nc", True),
        ("^(?:b|c)+$", "m", "a\nbc\nd", True),
        ("a.c", "", "a\nc", False),
        ("a.c", "s", "a\nc", True),
        ("a B", "xi", "xab", True),
        ("a[ ]b # two\n c", "x", "a bc", True),
        (r"a\ b\#", "x", "a b#", True),
        (r"\s", "", "\x0b", True),
        (r"[\S]", "", "\x0b ", False),
        (r"\w", "", "\u00e9", False),
        (r"\d{2,3}x{0}", "", "a12", True),
        ("a{x}", "", "a{x}", True),
        (r"\Qa.b\E+", "", "a.bbb", True),
        (r"\x41\x{e9}", "", "A\u00e9", True),
        ("[]a]", "", "]", True),
        ("[^]a]", "", "]a", False),
        ("[a-]", "", "-", True),
        ("[[:digit:]_]", "", "_", True),
        ("[[:^space:]]", "", " \t", False),
        ("(?i:AB)c", "", "abc", True),
        ("(?i:AB)c", "", "abC", False),
        (r"\p{Lu}", "i", "abc", False),
        (r"[\w-]", "i", "\u017f", False),
        (r"\bfoo\b", "", "a foo b", True),
        ("\u00c9", "i", "\u00e9", True),
    ],
)
def test_pattern_means_what_it_means_in_pcre(pattern: str, options: str, text: str, expected: bool) -> None:
    assert search(pattern, text, options) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        *["(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", r"(a)\1", "(?>a)", "(?P<n>a)", "(?<n>a)", "(?|a)", "(?R)", "(?(1)a)"],
        *["a++", "a*+", "a{2}+", r"\K", r"\R", r"\X", r"\h", r"\v", r"\G", r"\B", r"\g1", "(*UTF8)a", "(?m)a", "(?i)a"],
        *["$a", r"a\Zb", "(a$)b", "(?:a$)+", "[[.a.]]", r"[\d-z]", "[:alpha:]", r"\p{Greek}", "a{1001}", "^*", "a{,2}"],
        *[r"[^\S\p{Lu}]", r"[^[:^alpha:]\pL]"],
        *["a" * (MAX_PATTERN_LENGTH + 1), "(" * 51 + ")" * 51],
    ],
)
def test_pattern_that_cannot_be_matched_exactly_in_linear_time_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        search(pattern, "")
    assert caught.value.metadata["operator"] == "$regex"
    assert caught.value.metadata["field"] == "v"


@pytest.mark.parametrize("pattern", ["(", ")", "[", "[a", "*a", "a{2,1}", "a\\", "(?:a", "a\0"])
def test_malformed_pattern_is_an_invalid_filter(pattern: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        search(pattern, "")
    assert caught.value.reason == Reason.INVALID_FILTER


@pytest.mark.parametrize("pattern", ["^", "^a*", "a|^"])
def test_circumflex_that_could_stand_behind_the_last_newline_is_refused_with_option_m(pattern: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        search(pattern, "a\n", "m")
    assert caught.value.reason == Reason.UNSUPPORTED_OPERATOR


@pytest.mark.timeout(20)  # a backtracking engine would take longer than the universe has
@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|a)*$", "(a|aa)+$", "(.*)*x", "(?:a?){30}a{30}x"])
def test_no_pattern_takes_more_than_linear_time(pattern: str) -> None:
    assert not search(pattern, "a" * 50_000 + "!")


@pytest.mark.parametrize("value", [1, None, ["x"], {"a": 1}, b"abc"], ids=str)
def test_only_strings_are_searched(value: Any) -> None:
    assert not compile_filter({"v": {"$regex": "[abc1]"}})({"v": value})
