"""Runnable examples: `python -m examples.NAME`, from a checkout that `make setup` has set up."""
