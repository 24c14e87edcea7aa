"""LMDB environments: opened, read, written by one thread, and grown."""
