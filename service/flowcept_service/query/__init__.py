"""The query engine of the embedded store: Mongo-style queries over decoded BSON documents, as pure functions.

`parse_query` validates and compiles; `run` and `run_bson` evaluate. MongoDB evaluates the same queries itself
(`to_find`, `to_pipeline`); both give the same answers. What one of them could not do exactly, `parse_query` refuses
for both:

- operators that run code or need an index of their own kind: `UNSUPPORTED_OPERATORS`;
- a filter path with an empty part (``""``, ``"a."``), on which MongoDB 6.0 can crash;
- in regular expressions: lookaround, backreferences, atomic and named groups, possessive quantifiers, inline
  flags other than ``(?i:...)`` and ``(?s:...)``, ``$`` elsewhere than at the end of an alternative, and the few more
  constructs that PCRE and RE2 read differently; the message names the construct;
- in projections: everything but inclusion and exclusion;
- filters beyond `FilterLimits`: `MAX_FILTER_DEPTH`, `MAX_FILTER_CLAUSES`, `MAX_FILTER_PATTERNS` and
  `MAX_FILTER_BYTES`, unless a service says otherwise.
"""

from flowcept_service.query._aggregate import EVERY_DOCUMENT, Aggregation
from flowcept_service.query._budget import QueryBudget, within
from flowcept_service.query._errors import (
    MAX_FILTER_BYTES,
    MAX_FILTER_CLAUSES,
    MAX_FILTER_DEPTH,
    MAX_FILTER_PATTERNS,
    UNSUPPORTED_OPERATORS,
)
from flowcept_service.query._filter import compile_filter
from flowcept_service.query._hints import Hints, equality_hints
from flowcept_service.query._lane import Foreground, Lane
from flowcept_service.query._missing import MISSING
from flowcept_service.query._mongodb import to_find, to_pipeline
from flowcept_service.query._normalize import FilterLimits
from flowcept_service.query._pattern import MAX_PATTERN_LENGTH
from flowcept_service.query._query import Query, parse_query
from flowcept_service.query._regex import backtracks
from flowcept_service.query._run import DEFAULT_LIMITS, QueryLimits, run, run_bson
from flowcept_service.query._sort import sort_key
from flowcept_service.query._values import CODEC_OPTIONS, decode, order_key

__all__ = [
    "CODEC_OPTIONS",
    "DEFAULT_LIMITS",
    "EVERY_DOCUMENT",
    "MAX_FILTER_BYTES",
    "MAX_FILTER_CLAUSES",
    "MAX_FILTER_DEPTH",
    "MAX_FILTER_PATTERNS",
    "MAX_PATTERN_LENGTH",
    "MISSING",
    "UNSUPPORTED_OPERATORS",
    "Aggregation",
    "FilterLimits",
    "Foreground",
    "Hints",
    "Lane",
    "Query",
    "QueryBudget",
    "QueryLimits",
    "backtracks",
    "compile_filter",
    "decode",
    "equality_hints",
    "order_key",
    "parse_query",
    "run",
    "run_bson",
    "sort_key",
    "to_find",
    "to_pipeline",
    "within",
]
