"""Stores: what they promise (``contract``) and the packages that keep it."""
