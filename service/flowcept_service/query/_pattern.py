r"""Translates MongoDB's regular expressions (PCRE) into RE2, exactly or not at all.

RE2 matches in time linear in the subject, so no pattern can stall the service; backtracking engines cannot promise
that. The price is what needs backtracking: lookaround, backreferences, atomic groups and possessive quantifiers are
refused. Where PCRE and RE2 read the same text differently (``\s``, ``$``, ``^`` with flag m, flag x) the pattern is
rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from flowcept_service.query._pattern_parser import Item, PatternError, PatternParser

MAX_REPEATS: Final = 1
"""Repeats without an end in a pattern that a backtracking matcher is trusted with: more may keep it for minutes."""

MAX_PATTERN_LENGTH: Final = 2_000
"""Characters in one pattern."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A pattern for RE2, and what it is when it is no more than a literal.

    Attributes:
        pattern: RE2 syntax, flags included.
        literal: The text that the pattern stands for, when it has no other parts than characters and a leading ``^``.
        anchored: Whether ``literal`` must stand at the start of the subject.
        backtracks: Whether a backtracking matcher may need more than a few steps for each pair of characters.
    """

    pattern: str
    literal: str | None
    anchored: bool
    backtracks: bool


def translate(pattern: str, options: str) -> Translation:
    """Translate a PCRE pattern with the options ``imsx``.

    Raises:
        PatternError: the pattern is malformed, too long, or uses what RE2 cannot do exactly.
    """
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise PatternError(f"the pattern is longer than {MAX_PATTERN_LENGTH} characters", unsupported=True)
    parser = PatternParser(pattern, extended="x" in options, fold="i" in options)
    alternatives = parser.parse()
    multiline = "m" in options
    body = _emit_alternatives(alternatives, multiline, True, 0)
    flags = "".join(flag for flag in "ims" if flag in options)
    literal, anchored = (None, False) if "i" in options else _as_literal(alternatives, multiline)
    backtracks = _has_nested_repeats(alternatives, repeated=False) or _repeats(alternatives) > MAX_REPEATS
    return Translation(f"(?{flags}){body}" if flags else body, literal, anchored, backtracks)


def _has_nested_repeats(alternatives: tuple[tuple[Item, ...], ...], *, repeated: bool) -> bool:
    """Whether something that is repeated holds repeats or alternatives: there are many ways to match one text then."""
    if repeated and len(alternatives) > 1:
        return True
    for item in (item for items in alternatives for item in items):
        repeats = item.most is None or item.most > 1
        if repeats and repeated:
            return True
        if item.alternatives is not None and _has_nested_repeats(item.alternatives, repeated=repeated or repeats):
            return True
    return False


def _repeats(alternatives: tuple[tuple[Item, ...], ...]) -> int:
    """The number of repeats without an end."""
    return sum(
        (item.most is None) + (0 if item.alternatives is None else _repeats(item.alternatives))
        for items in alternatives
        for item in items
    )


def _as_literal(alternatives: tuple[tuple[Item, ...], ...], multiline: bool) -> tuple[str | None, bool]:
    if len(alternatives) != 1:
        return None, False
    items = alternatives[0]
    anchored = bool(items) and (items[0].anchor == r"\A" or (items[0].anchor == "^" and not multiline))
    characters = [item.literal for item in (items[1:] if anchored else items) if not item.quantifier]
    texts = [character for character in characters if character is not None]
    if len(texts) != len(items) - anchored:
        return None, False
    return "".join(texts), anchored


def _width(items: Iterable[Item]) -> int:
    """The least number of characters that a sequence consumes."""
    total = 0
    for item in items:
        if item.alternatives is not None:
            total += item.least * min(map(_width, item.alternatives))
        elif not item.anchor:
            total += item.least
    return total


def _emit_alternatives(
    alternatives: tuple[tuple[Item, ...], ...], multiline: bool, nothing_follows: bool, following_width: int
) -> str:
    return "|".join(_emit_sequence(items, multiline, nothing_follows, following_width) for items in alternatives)


def _emit_sequence(items: tuple[Item, ...], multiline: bool, nothing_follows: bool, following_width: int) -> str:
    """RE2 text of a sequence. What follows it decides whether ``$`` and ``^`` can be written exactly."""
    parts: list[str] = []
    for position, item in enumerate(items):
        last = nothing_follows and position == len(items) - 1
        width = following_width + _width(items[position + 1 :])
        if item.alternatives is not None:
            repeats = item.most != 1
            inner = _emit_alternatives(item.alternatives, multiline, last and not repeats, width)
            parts.append(f"{item.opening}{inner}){item.quantifier}")
        elif item.anchor:
            parts.append(_emit_anchor(item.anchor, multiline, last, width))
        else:
            parts.append(item.text + item.quantifier)
    return "".join(parts)


def _emit_anchor(anchor: str, multiline: bool, last: bool, following_width: int) -> str:
    if anchor == "^":
        if not multiline:
            return r"\A"
        if following_width == 0:
            # PCRE's ^ does not match behind a newline that ends the subject, RE2's does.
            raise PatternError("with option m, ^ must stand before something that takes a character", unsupported=True)
        return "^"
    if anchor == "$" and multiline:
        return "$"
    if anchor in ("$", r"\Z"):
        if not last:
            raise PatternError(f"{anchor} must end the pattern", unsupported=True)
        return r"(?:\n?\z)"
    return anchor
