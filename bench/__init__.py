"""Benchmarks: `python -m bench.NAME`, from a checkout that `make setup` has set up."""
