"""Random documents of every BSON type, and random queries over them; from small pools, so that they often meet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bson import Binary, Code, DatetimeMS, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

NAMES = ["a", "b", "c", "a", "b", "0", "1", "x.y", "$d", ""]
PATHS = [
    *["a", "b", "c", "a", "b", "a.b", "b.a", "a.0", "a.1", "b.0", "a.0.b", "a.b.0", "a.b.c", "a.0.0", "c.1", "c.a"],
    *["0", "b.c", "a.b.0.c", "a.0.1", "a.1.a", "_id", "a.a", "c.0.a.b", "b.1.0", "c.b.1", "a.b.a", "c.c.c", "1.a"],
    *["a.01", "a.-1", "x.y", "a.$d", "a.10", "a.0.0.0", "a.$", "missing", "a.missing"],
]
FIELDS = PATHS[:28]
WORDS = [
    *["", "a", "b", "ab", "abc", "A", "Abc", "a\n", "a\nb", "é", "É", "foo bar", "foo  bar ", "x1", "0", "1", "\n"],
    *["\u017f", "日本"],
]
NUMBERS: list[Any] = [
    *[0, 1, 2, 3, -1, -2, 5, 2**31, 2**53 + 1, -(2**63), 2**63 - 1, 0.0, -0.0, 1.0, 1.5, -1.5, 2.5, 1e300, 1e-300, 0.1],
    *[float("nan"), float("inf"), float("-inf"), float(2**53), float(2**63), Int64(0), Int64(1), Int64(2), Int64(-1)],
    *[Decimal128("0"), Decimal128("1"), Decimal128("1.0"), Decimal128("1.5"), Decimal128("-1"), Decimal128("NaN")],
    *[Decimal128("Infinity"), Decimal128("-Infinity"), Decimal128("0.1"), Decimal128("1E+6000"), Decimal128("-0")],
    *[
        Decimal128("0.1000000000000000055511151231257827"),
        Decimal128("9007199254740993"),
        Decimal128("1E-6176"),
        7,
        255,
    ],
]
OBJECT_IDS = [ObjectId(f"{number:024x}") for number in range(3)]
_DAY = dt.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=dt.UTC)
OTHERS: list[Any] = [
    *[True, False, True, False, None, None, None, b"", b"a", b"ab", b"\xff\x01", Binary(b"a", 2), Binary(b"ab", 5)],
    *[Binary(bytes(16), 4), _DAY, _DAY + dt.timedelta(days=1), dt.datetime(1970, 1, 1, tzinfo=dt.UTC)],
    *[DatetimeMS(2**60), DatetimeMS(-(2**60)), Timestamp(1, 1), Timestamp(1, 2), Timestamp(2**32 - 1, 0)],
    *[Regex("a"), Regex("a", "i"), Regex("^ab", "ms"), Code("a"), Code("b"), Code("a", {}), Code("a", {"x": 1})],
    *[MinKey(), MaxKey(), *OBJECT_IDS],
]
TYPES: list[Any] = [
    *["double", "string", "object", "array", "binData", "undefined", "objectId", "bool", "date", "null", "regex"],
    *["number", "javascript", "symbol", "javascriptWithScope", "int", "timestamp", "long", "decimal", "minKey"],
    *["maxKey", "dbPointer", 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 16, 17, 18, 19, -1, 127, 2.0, Int64(3)],
    Decimal128("4"),
]
ODD_TYPES: list[Any] = [0, 6, 12, 14, 20, "x", 1.5]
PATTERNS = [
    *["a", "^a", "b$", "^a$", "^ab", "a|b", "[a-c]+", "^[^a]", ".", "a.b", r"\d", r"\s", r"\S+\s\S+", r"\w{2,}"],
    *[r"^\w+$", "", "^", "$", "^$", "(a|b)+$", "a{1,2}b?", r"\bbar\b", "[[:alpha:]]+[[:digit:]]", "(?i:ABC)", "é"],
    *[r"\x61", r"[\s]$", "^b", "a$", "^(?:a|b)$", r"\Aa", r"b\z", r"a\Z", "[^\\S]", "x*", "(ab?c?)*$", "a b", "a #c"],
    *[".$", "^.", "(a$|b)", r"\p{L}{3}"],
]
HARD_PATTERNS = [
    *["(?=a)", r"(a)\1", "(?<!a)b", "a++", "(?>a)", "(", ")", "[", "*a", "a{2,1}", "\\", r"\K", "(?P<n>a)", "a**"],
    "[b-a]",
]
MASKS: list[Any] = [
    *[0, 1, 2, 5, 255, [], [0], [1, 3], [0, 70], [63], b"\x01", b"\xff\x00\x01", 2.0, -1, 1.5, [1, -1]],
    Binary(b"a", 2),
]
SIZES: list[Any] = [*(0, 1, 2, 3) * 3, 2.0, Int64(1), -1, 1.5, Decimal128("2")]


@dataclass(frozen=True, slots=True)
class QueryGenerator:
    """Draws documents and the parts of queries.

    Attributes:
        random: Where all choices come from.
        wild: How often an operand is drawn without regard to what its operator takes.
        others: Values that are neither numbers nor strings.
        seen: Values of the documents drawn so far, which operands are taken from.
    """

    random: Random
    wild: float = 0.015
    others: list[Any] = field(default_factory=lambda: OTHERS)
    seen: list[Any] = field(default_factory=list)

    def word(self) -> str:
        return self.random.choice(WORDS)

    def scalar(self) -> Any:
        pick = self.random.random()
        if pick < 0.4:
            return self.random.choice(NUMBERS)
        return self.word() if pick < 0.65 else self.random.choice(self.others)

    def operand(self) -> Any:
        return self.random.choice(self.seen) if self.seen and self.random.random() < 0.6 else self.value(2)

    def value(self, depth: int = 0) -> Any:
        result = self._fresh_value(depth)
        self.seen.append(result)
        return result

    def _fresh_value(self, depth: int) -> Any:
        pick = self.random.random()
        if depth < 4 and pick < 0.2:
            return [self.value(depth + 1) for _ in range(self.random.choice((0, 1, 1, 2, 2, 3)))]
        if depth < 4 and pick < 0.42:
            return self.document(depth + 1)
        return self.scalar()

    def document(self, depth: int = 1) -> dict[str, Any]:
        if depth > 1 and self.random.random() < 0.01:
            return {"$ref": "a", "$id": 1, **({"$db": "b"} if self.random.random() < 0.5 else {})}
        names = self.random.choices(NAMES, k=self.random.choice((0, 1, 1, 2, 2, 3)))
        return {name: self.value(depth) for name in names}

    def top_document(self, number: int) -> dict[str, Any]:
        names = self.random.choices(NAMES, k=self.random.choice((1, 3, 5, 6, 7)))
        return {"_id": number, **{name: self.value() for name in names}}

    def filter(self, depth: int = 0) -> dict[str, Any]:
        return dict(self.entry(depth) for _ in range(self.random.choice((1, 1, 1, 1, 1, 1, 2, 2, 3))))

    def entry(self, depth: int) -> tuple[str, Any]:
        pick = self.random.random()
        if depth < 3 and pick < 0.15:
            operands: Any = [self.filter(depth + 1) for _ in range(self.random.choice((1, 2, 3)))]
            return self.random.choice(["$and", "$or", "$nor"]), self.value() if self.is_wild() else operands
        if pick < 0.153:
            return self.random.choice(["$where", "$expr", "$bogus", "$not", "$eq", "$text"]), self.value()
        path = self.random.choice(PATHS if self.random.random() < 0.5 else NAMES[:5])
        return path, (self.operators(depth) if self.random.random() < 0.8 else self.operand())

    def operators(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for _ in range(self.random.choice((1, 1, 1, 1, 1, 2))):
            operands = self._operands()
            name = self.random.choice(list(operands))
            result[name] = self.value() if self.is_wild() else operands[name](depth)
            if name == "$regex" and self.random.random() < 0.4:
                result["$options"] = "".join(self.random.sample("imsx", self.random.choice((0, 1, 2))))
        if self.random.random() < 0.01:
            result[self.random.choice(["$options", "$and", "x", "$near", "$bogus"])] = self.value()
        return result

    def is_wild(self) -> bool:
        return self.random.random() < self.wild

    def _operands(self) -> dict[str, Callable[[int], Any]]:
        compare = dict.fromkeys(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"], lambda depth: self.operand())
        bits = dict.fromkeys(
            ["$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear"], lambda depth: self.random.choice(MASKS)
        )
        return {
            **compare,
            "$in": lambda depth: self._values(),
            "$nin": lambda depth: self._values(),
            "$not": self._negated,
            "$exists": lambda depth: self.random.choice([True, False, 1, 0, None, "", 0.0, Decimal128("0")]),
            "$type": lambda depth: self._type(),
            "$regex": lambda depth: self._pattern(),
            "$mod": lambda depth: self._modulo(),
            "$size": lambda depth: self.random.choice(SIZES),
            "$all": self._all,
            "$elemMatch": self._element,
            **(bits if self.random.random() < 0.3 else {}),
        }

    def _values(self) -> list[Any]:
        return [self.operand() for _ in range(self.random.choice((0, 1, 2, 3, 4)))]

    def _type(self) -> Any:
        if self.random.random() < 0.3:
            return self.random.sample(TYPES, self.random.choice((*(1, 2, 3) * 5, 0)))
        return self.random.choice(TYPES) if self.random.random() < 0.97 else self.random.choice(ODD_TYPES)

    def _pattern(self) -> Any:
        if self.random.random() < 0.02:
            return self.random.choice(HARD_PATTERNS)
        pattern = self.random.choice(PATTERNS)
        if self.random.random() < 0.15:
            pattern += self.random.choice(PATTERNS)
        if self.random.random() < 0.8:
            return pattern
        return Regex(pattern, self.random.choice(["", "i", "m", "s", "x", "im"]))

    def _modulo(self) -> list[Any]:
        divisors = [2, 3, -2, 2.7, Int64(4), Decimal128("3.9"), 5]
        return [self.random.choice(divisors), self.random.choice([0, 1, -1, 1.2, 2, 3])]

    def _negated(self, depth: int) -> Any:
        if self.random.random() < 0.8 and depth < 4:
            return self.operators(depth + 1)
        return Regex(self.random.choice(PATTERNS))

    def _all(self, depth: int) -> list[Any]:
        if self.random.random() < 0.25 and depth < 3:
            return [{"$elemMatch": self._element(depth)} for _ in range(self.random.choice((1, 2)))]
        return self._values()

    def _element(self, depth: int) -> dict[str, Any]:
        if depth > 3:
            return {"$gt": self.scalar()}
        return self.operators(depth + 1) if self.random.random() < 0.5 else self.filter(depth + 2)

    def sort(self) -> list[tuple[str, int]]:
        pool = FIELDS if self.random.random() < 0.98 else PATHS
        paths = dict.fromkeys(self.random.choices(pool, k=self.random.choice((1, 1, 2, 3))))
        return [(path, self.random.choice((1, -1))) for path in paths]

    def projection(self) -> dict[str, Any]:
        inclusion = self.random.choice((1, 0))
        pool = FIELDS if self.random.random() < 0.97 else PATHS
        paths = self.random.choices(pool, k=self.random.choice((1, 1, 2, 3)))
        result: dict[str, Any] = {path: self._flag(inclusion) for path in paths}
        if self.random.random() < 0.3:
            result["_id"] = self.random.choice((1, 0))
        if self.random.random() < 0.03:
            odd = [0, 1, {}, {"b": inclusion}, {"$slice": 1}, "x", [1], None]
            result[self.random.choice(FIELDS)] = self.random.choice(odd)
        return result

    def _flag(self, inclusion: int) -> Any:
        pick = self.random.random()
        if pick < 0.8:
            return inclusion
        if pick < 0.9:
            return {self.random.choice(["a", "b", "0"]): inclusion}
        truths = [True, 2.5, Int64(-1), Decimal128("1")] if inclusion else [False, 0.0, Decimal128("0")]
        return self.random.choice(truths)

    def aggregations(self) -> list[tuple[str, str]]:
        operators = self.random.choices(["avg", "sum", "min", "max", "count"], k=self.random.choice((1, 2, 3)))
        return list(dict.fromkeys((operator, self.random.choice(FIELDS)) for operator in operators))

    def group_by(self) -> list[str]:
        return list(dict.fromkeys(self.random.choices(FIELDS, k=self.random.choice((0, 1, 1, 2)))))
