"""What the documentation says about scopes is what the service does."""

from __future__ import annotations

import re
from pathlib import Path

from flowcept_service.domain.principals import Scope
from flowcept_service.rpc.authorization import REQUIRED_SCOPES

ROOT = Path(__file__).parents[3]


def test_readme_has_the_table_of_scopes() -> None:
    written = re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    documented = {
        method: scope for scope, calls in written if scope in set(Scope) for method in re.findall(r"`(\w+)`", calls)
    }
    assert documented == {method.rpartition("/")[2]: scope.value for method, scope in REQUIRED_SCOPES.items()}


def test_the_contract_names_the_scope_of_each_method() -> None:
    texts = [file.read_text() for file in sorted((ROOT / "protos" / "flowcept" / "v1").glob("*_service.proto"))]
    documented = {
        f"/flowcept.v1.{service}/{method}": scope
        for text in texts
        for service in re.findall(r"^service (\w+)", text, re.MULTILINE)
        for scope, method in re.findall(r"// Scope: `(\w+)`\.\n  rpc (\w+)\(", text)
    }
    assert documented == {method: scope.value for method, scope in REQUIRED_SCOPES.items()}
