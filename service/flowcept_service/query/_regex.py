"""Regular expressions as predicates over one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # google-re2 ships no type information
from bson.code import Code
from bson.regex import Regex

from flowcept.errors import Reason
from flowcept_service.query._errors import invalid_filter
from flowcept_service.query._paths import ValuePredicate
from flowcept_service.query._pattern import translate
from flowcept_service.query._pattern_parser import PatternError
from flowcept_service.query._values import regex_flags

PATTERN_BYTES: Final = 4 << 20
"""Memory of one compiled pattern; with less, RE2 is slow for ordinary ones."""
_OPTIONS: Final = frozenset("imsxu")


def matches_operand(field: str, operators: Mapping[str, Any]) -> ValuePredicate:
    """The predicate for ``$regex`` with its ``$options``.

    Args:
        field: Path of the condition, for messages.
        operators: The operators on that path, ``$regex`` among them.

    Raises:
        InvalidArgumentError: one of the two is of the wrong type, or as for `matches_regex`.
    """
    pattern = operators["$regex"]
    if isinstance(pattern, Code) or not isinstance(pattern, str | Regex):
        raise invalid_filter("needs a string or a regular expression", field=field, operator="$regex", value=pattern)
    expression = pattern if isinstance(pattern, Regex) else Regex(pattern)
    if "$options" not in operators:
        return matches_regex(field, expression)
    options = operators["$options"]
    if type(options) is not str:
        raise invalid_filter("takes letters of i m s x", field=field, operator="$options", value=options)
    if regex_flags(expression):
        raise invalid_filter(
            "the regular expression has options of its own", field=field, operator="$options", value=options
        )
    return _matches(field, expression.pattern, options)


def matches_regex(field: str, expression: Regex[Any]) -> ValuePredicate:
    """Strings that the expression matches somewhere, and regular expressions that equal it.

    Raises:
        InvalidArgumentError: the pattern is malformed, or cannot be matched exactly in linear time.
    """
    return _matches(field, expression.pattern, regex_flags(expression))


def _matches(field: str, pattern: str, options: str) -> ValuePredicate:
    if not _OPTIONS.issuperset(options):
        raise invalid_filter("takes letters of i m s x", field=field, operator="$options", value=options)
    search = _search(field, pattern, options)

    def predicate(value: Any) -> bool:
        if type(value) is str:
            return search(value)
        # MongoDB compares the options as they were written: "si" equals no stored expression, which has "is".
        return type(value) is Regex and (value.pattern, regex_flags(value)) == (pattern, options)

    return predicate


def backtracks(filter: Mapping[str, Any]) -> bool:
    """Whether a filter that was compiled has a pattern that a backtracking matcher might give up: MongoDB's does."""
    for name, operand in filter.items():
        if name == "$regex" or type(operand) is Regex:
            expression = operand if isinstance(operand, Regex) else Regex(operand)
            if translate(expression.pattern, filter.get("$options") or regex_flags(expression)).backtracks:
                return True
        elif isinstance(operand, Mapping):
            if backtracks(operand):
                return True
        elif isinstance(operand, list) and any(
            backtracks(item if isinstance(item, Mapping) else {"": item}) for item in operand
        ):
            return True
    return False


def _search(field: str, pattern: str, flags: str) -> Callable[[str], bool]:
    try:
        translation = translate(pattern, flags)
        compiled = re2.compile(translation.pattern, _re2_options())
    except PatternError as error:
        reason = Reason.UNSUPPORTED_OPERATOR if error.unsupported else Reason.INVALID_FILTER
        raise invalid_filter(str(error), field=field, operator="$regex", value=pattern, reason=reason) from None
    except re2.error as error:
        raise invalid_filter(
            f"RE2 refuses the pattern: {error}", field=field, operator="$regex", value=pattern
        ) from None
    literal = translation.literal
    if literal is not None:
        return (lambda text: text.startswith(literal)) if translation.anchored else (lambda text: literal in text)
    search = compiled.search
    return lambda text: search(text.encode()) is not None


def _re2_options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True  # only whether it matches is asked
    options.max_mem = PATTERN_BYTES
    return options
