"""A process that publishes until its input ends, and then says how many messages were acknowledged.

Usage: python -m tests.support.soak_publisher TARGET NUMBER PAUSE
"""

from __future__ import annotations

import sys
import threading

from tests.support.load import Publisher


def main() -> None:
    """Publish until stdin is closed."""
    stop = threading.Event()
    publisher = Publisher(sys.argv[1], int(sys.argv[2]), stop, float(sys.argv[3]))

    def wait() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    publisher.run()
    sys.stdout.write(f"{len(publisher.acknowledged)}\n")


if __name__ == "__main__":
    main()
