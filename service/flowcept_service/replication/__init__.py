"""One store kept as the copy of another: by following its event log, after a copy of what is there."""
