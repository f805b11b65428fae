"""Which stores this version of the code reads."""

SCHEMA = 2
"""Version of the tags that runs carry. 2: every run has a key. 1 (runs without the tag `schema`): only the runs of
ablations had one."""
