"""Time that tests decide on."""

from __future__ import annotations


class Clock:
    """Seconds that pass only when a test says so, or by a step with each look."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 0.0
        self._step = step

    def __call__(self) -> float:
        self.now += self._step
        return self.now
