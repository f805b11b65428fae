"""Which stores this version of the code reads."""

SCHEMA = 2
"""Of the runs in a store. 2: runs are known by a key; 1 (without a tag): ablations alone had one."""
