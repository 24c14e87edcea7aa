"""Reads the part of PCRE's syntax that RE2 can match exactly; everything else is a `PatternError`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_MAX_GROUP_DEPTH: Final = 50
_SPACE: Final = r"\t-\r "
_NOT_SPACE: Final = r"\x00-\x08\x0e-\x1f!-\x{10ffff}"
_CONTROL_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "a": "\a", "e": "\x1b"}
_CATEGORIES: Final = re.compile(r"\{\^?(?:C[cfos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?)\}|[CLMNPSZ]")
_POSIX: Final = re.compile(r"\[:(\^?)(alnum|alpha|ascii|blank|cntrl|digit|graph|print|punct|space|word|xdigit):\]")
_QUANTIFIER: Final = re.compile(r"[*+?]|\{(\d{1,5})(,(\d{0,5}))?\}")
_NEAR_QUANTIFIER: Final = re.compile(r"\{\s*\d*\s*,?\s*\d*\s*\}")
_FLAG_GROUP: Final = re.compile(r"\?([is]*(?:-[is]+)?)([:)])")
_HEXADECIMAL: Final = re.compile(r"([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\}")


class PatternError(ValueError):
    """The pattern cannot be used; ``unsupported`` tells what MongoDB may take from what is malformed."""

    def __init__(self, message: str, *, unsupported: bool) -> None:
        super().__init__(message)
        self.unsupported = unsupported


@dataclass(frozen=True, slots=True)
class Item:
    """One element of a sequence: an atom's RE2 text, or an anchor, or a group of alternatives; with its quantifier."""

    text: str = ""
    anchor: str = ""
    alternatives: tuple[tuple[Item, ...], ...] | None = None
    opening: str = "(?:"
    literal: str | None = None
    least: int = 1
    most: int | None = 1
    quantifier: str = ""


@dataclass(frozen=True, slots=True)
class _Member:
    """One character, range or shorthand of a bracket expression; ``cased`` if ignoring case changes it."""

    text: str
    shorthand: bool
    cased: bool


class PatternParser:
    """Recursive descent over the PCRE subset; one instance reads one pattern."""

    def __init__(self, pattern: str, *, extended: bool, fold: bool) -> None:
        self._pattern = pattern
        self._at = 0
        self._extended = extended
        self._fold = fold
        self._depth = 0

    def parse(self) -> tuple[tuple[Item, ...], ...]:
        """The alternatives of the whole pattern. Raises `PatternError`."""
        if "\0" in self._pattern:
            raise PatternError("a pattern cannot hold a null character", unsupported=False)
        alternatives = self._alternatives()
        if self._at < len(self._pattern):
            raise PatternError("a closing parenthesis has no opening one", unsupported=False)
        return alternatives

    def _peek(self) -> str:
        if self._extended:
            self._skip_layout()
        return self._pattern[self._at] if self._at < len(self._pattern) else ""

    def _skip_layout(self) -> None:
        while self._at < len(self._pattern):
            character = self._pattern[self._at]
            if character == "#":
                end = self._pattern.find("\n", self._at)
                if end < 0:
                    raise PatternError("with option x, a comment must end with a newline", unsupported=False)
                self._at = end + 1
            elif character in " \t\n\r\f\v":
                self._at += 1
            else:
                return

    def _alternatives(self) -> tuple[tuple[Item, ...], ...]:
        found = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            found.append(self._sequence())
        return tuple(found)

    def _sequence(self) -> tuple[Item, ...]:
        items: list[Item] = []
        while (character := self._peek()) not in ("", "|", ")"):
            items.extend(self._quantified(self._atom(character)))
        return tuple(items)

    def _quantified(self, items: list[Item]) -> list[Item]:
        """Attach the quantifier that may follow to the last of the items."""
        self._peek()
        match = _QUANTIFIER.match(self._pattern, self._at)
        if match is None:
            return items
        if not items or items[-1].anchor:
            raise PatternError(f"quantifier {match.group()} has nothing to repeat", unsupported=True)
        self._at = match.end()
        least, most = _bounds(match)
        text = match.group()
        if self._pattern[self._at : self._at + 1] == "?":
            self._at += 1
            text += "?"
        if self._peek() and _QUANTIFIER.match(self._pattern, self._at):
            raise PatternError(f"quantifier {text} is followed by another (possessive or doubled)", unsupported=True)
        last = items[-1]
        repeated = Item(last.text, "", last.alternatives, last.opening, last.literal, least, most, text)
        return [*items[:-1], repeated]

    def _atom(self, character: str) -> list[Item]:
        compound: dict[str, Callable[[], list[Item]]] = {
            "(": self._group,
            "[": self._class,
            "\\": self._escape,
        }
        if character in compound:
            return compound[character]()
        if character in "*+?":
            raise PatternError(f"quantifier {character} has nothing to repeat", unsupported=False)
        if character == "{" and _NEAR_QUANTIFIER.match(self._pattern, self._at):
            raise PatternError("a quantifier in braces has nothing to repeat", unsupported=True)
        self._at += 1
        if character in "^$":
            return [Item(anchor=character)]
        if character == ".":
            return [Item(text=".")]
        return [Item(text=_quote(character), literal=character)]

    def _group(self) -> list[Item]:
        self._at += 1
        opening = "(?:"
        following = self._pattern[self._at : self._at + 1]
        if following == "*":
            raise PatternError("verbs such as (*UTF8) are not supported", unsupported=True)
        if following == "?":
            match = _FLAG_GROUP.match(self._pattern, self._at)
            if match is None:
                construct = self._pattern[self._at - 1 : self._at + 3]
                raise PatternError(
                    f"the group {construct} is not supported: no lookaround, named or atomic groups, "
                    "and inline flags only i and s",
                    unsupported=True,
                )
            self._at = match.end()
            if match.group(2) == ")":
                if not match.group(1):
                    return []
                raise PatternError(
                    "flags inside the pattern need a group, as in (?i:...); or use $options", unsupported=True
                )
            opening = f"(?{match.group(1)}:"
        self._depth += 1
        if self._depth > _MAX_GROUP_DEPTH:
            raise PatternError(f"more than {_MAX_GROUP_DEPTH} nested groups", unsupported=True)
        outer, self._fold = self._fold, self._fold_inside(opening)
        alternatives = self._alternatives()
        self._fold = outer
        if self._peek() != ")":
            raise PatternError("an opening parenthesis is not closed", unsupported=False)
        self._at += 1
        self._depth -= 1
        return [Item(alternatives=alternatives, opening=opening)]

    def _fold_inside(self, opening: str) -> bool:
        on, _, off = opening.partition("-")
        return "i" not in off and (self._fold or "i" in on)

    def _escape(self) -> list[Item]:
        if self._pattern.startswith("\\Q", self._at):
            end = self._pattern.find("\\E", self._at)
            end = len(self._pattern) if end < 0 else end
            quoted = self._pattern[self._at + 2 : end]
            self._at = end + 2
            return [Item(text=_quote(character), literal=character) for character in quoted]
        letter = self._pattern[self._at + 1 : self._at + 2]
        if letter in ("b", "A", "z", "Z"):
            self._at += 2
            return [Item(anchor=f"\\{letter}")]
        text, literal = self._escaped(in_class=False)
        return [Item(text=text, literal=literal)]

    def _escaped(self, *, in_class: bool) -> tuple[str, str | None]:
        """Read one escape: its RE2 text, and the character when it stands for one."""
        letter = self._pattern[self._at + 1 : self._at + 2]
        self._at += 2
        if letter == "":
            raise PatternError("a backslash ends the pattern", unsupported=False)
        if letter in "dDwW":
            return self._shorthand(f"\\{letter}", in_class), None
        if letter in "sS":
            ranges = _SPACE if letter == "s" else _NOT_SPACE
            return (ranges if in_class else f"[{ranges}]"), None
        if letter in "pP" and (match := _CATEGORIES.match(self._pattern, self._at)):
            self._at = match.end()
            return self._shorthand(f"\\{letter}{match.group()}", in_class), None
        character = self._escaped_character(letter, in_class)
        return _quote(character), character

    def _shorthand(self, text: str, in_class: bool) -> str:
        return f"(?-i:{text})" if self._fold and not in_class else text

    def _escaped_character(self, letter: str, in_class: bool) -> str:
        if letter in _CONTROL_ESCAPES:
            return _CONTROL_ESCAPES[letter]
        if letter == "b" and in_class:
            return "\b"
        if letter == "x" and (match := _HEXADECIMAL.match(self._pattern, self._at)):
            self._at = match.end()
            code = int(match.group(1) or match.group(2), 16)
            if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF:
                return chr(code)
        elif not (letter.isascii() and letter.isalnum()):
            return letter
        raise PatternError(f"the escape \\{letter} is not supported", unsupported=True)

    def _class(self) -> list[Item]:
        self._refuse_posix_outside_class()
        self._at += 1
        negated = self._pattern[self._at : self._at + 1] == "^"
        self._at += negated
        members = [self._class_member()]  # a bracket that closes at once is a character
        while self._pattern[self._at : self._at + 1] != "]":
            members.append(self._class_member())
        self._at += 1
        return [Item(text=_class_text(members, negated=negated, fold=self._fold))]

    def _refuse_posix_outside_class(self) -> None:
        mark = self._pattern[self._at + 1 : self._at + 2]
        end = self._pattern.find("]", self._at + 2)
        if mark in (":", ".", "=") and self._pattern[end - 1 : end] == mark and end > self._at + 2:
            raise PatternError("a class such as [:alpha:] must stand inside another bracket", unsupported=True)

    def _class_member(self) -> _Member:
        text, start = self._class_element()
        if not self._pattern.startswith("-", self._at) or self._pattern.startswith("-]", self._at):
            return _Member(text, shorthand=start is None, cased=start is not None and _is_cased(start))
        if start is None:
            raise PatternError("a hyphen behind a class such as \\d must be escaped", unsupported=True)
        self._at += 1
        last_text, end = self._class_element()
        if end is None or end < start:
            raise PatternError("a range in a character class is out of order", unsupported=True)
        return _Member(f"{text}-{last_text}", shorthand=False, cased=end >= "A")

    def _class_element(self) -> tuple[str, str | None]:
        character = self._pattern[self._at : self._at + 1]
        if character == "\\":
            if self._pattern.startswith(("\\Q", "\\E"), self._at):
                raise PatternError("\\Q and \\E inside a character class are not supported", unsupported=True)
            return self._escaped(in_class=True)
        if character == "[" and self._pattern[self._at + 1 : self._at + 2] in (":", ".", "="):
            match = _POSIX.match(self._pattern, self._at)
            if match is None:
                raise PatternError("this class in brackets is not supported", unsupported=True)
            self._at = match.end()
            if match.group(2) == "space":
                return (_NOT_SPACE if match.group(1) else _SPACE), None
            return match.group(), None
        if not character:
            raise PatternError("a character class is not closed", unsupported=False)
        self._at += 1
        return _quote(character), character


def _quote(character: str) -> str:
    if character.isalnum() or not character.isascii():
        return character
    return f"\\{character}" if character.isprintable() and character != " " else f"\\x{{{ord(character):x}}}"


def _is_cased(character: str) -> bool:
    return character.casefold() != character or character.upper() != character


def _is_complement(text: str) -> bool:
    return text in (r"\D", r"\W", _NOT_SPACE) or text.startswith("[:^")


def _class_text(members: list[_Member], *, negated: bool, fold: bool) -> str:
    r"""A bracket expression. RE2 folds the case of shorthands such as ``\w`` unless told otherwise, PCRE does not."""
    texts = [member.text for member in members]
    if negated and any(text.startswith((r"\p", r"\P")) for text in texts) and any(map(_is_complement, texts)):
        # PCRE 8 takes this for all characters above 255, whatever their category.
        raise PatternError(r"a negated class cannot mix \p with \D, \S or \W", unsupported=True)
    opening = "[^" if negated else "["
    whole = f"{opening}{''.join(texts)}]"
    shorthands = "".join(member.text for member in members if member.shorthand)
    if not fold or not shorthands:
        return whole
    if not any(member.cased for member in members):
        return f"(?-i:{whole})"
    if negated:
        raise PatternError("without case, a negated class cannot mix letters and shorthands", unsupported=True)
    return f"(?:[{''.join(member.text for member in members if not member.shorthand)}]|(?-i:[{shorthands}]))"


def _bounds(match: re.Match[str]) -> tuple[int, int | None]:
    text = match.group()
    if text in ("*", "+", "?"):
        return (1 if text == "+" else 0), (1 if text == "?" else None)
    least = int(match.group(1))
    most = least if match.group(2) is None else (int(match.group(3)) if match.group(3) else None)
    if most is not None and most < least:
        raise PatternError(f"the quantifier {text} is out of order", unsupported=False)
    return least, most
