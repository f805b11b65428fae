"""Which stores this version of the code reads."""

SCHEMA = 4
"""Version of the tags and metrics that runs carry. 4: metrics of the chosen epoch are called `test/NAME`, as those of
the parents. 3: a metric's name tells a defect type from a category. 2: every run has a key. 1 (runs without the tag
`schema`): only the runs of ablations had one."""
SAME_KEYS = 3
"""Studies and ablations from this version on are gone on with and compared: they name their runs as today's do."""
