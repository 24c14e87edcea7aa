"""``python -m flowcept_service``: the same as the command ``flowcept-service``."""

from flowcept_service.cli import main

if __name__ == "__main__":
    main()
