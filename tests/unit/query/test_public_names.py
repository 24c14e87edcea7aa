"""The package's public names are sorted, complete and documented."""

from __future__ import annotations

import flowcept_service.query as package


def test_public_names_are_unique_and_exist() -> None:
    assert sorted(package.__all__) == sorted(set(package.__all__))
    assert all(getattr(package, name) is not None for name in package.__all__)


def test_nothing_public_is_left_out() -> None:
    public = {name for name in vars(package) if not name.startswith("_")}
    assert public == set(package.__all__)
