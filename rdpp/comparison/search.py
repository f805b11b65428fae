"""Which runs are to be compared: those of an ablation, of a study, or of any query."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd
from mlflow.entities import Run

from rdpp.config import ConfigError, require
from rdpp.tracking.conventions.artifacts import ABLATION_INDEX
from rdpp.tracking.conventions.metric_names import chosen_metrics
from rdpp.tracking.conventions.schema import SAME_KEYS, SCHEMA
from rdpp.tracking.conventions.tags import (
    DATA_MANIFEST,
    KEY,
    KEY_TRAINING,
    METHOD,
    ROOT,
    RUNS,
    TEACHER_FINGERPRINT,
    TRAIN_MANIFEST,
    groups,
    is_run,
    taken_by,
)
from rdpp.tracking.reading.checkpoints import is_run_id, leaves
from rdpp.tracking.reading.recorded import refuse_unknown, studies_and_ablations
from rdpp.tracking.store.listing import StoredRun, runs_with_tag
from rdpp.tracking.store.mlflow_store import Store

_TAGS = {
    "method": (METHOD, "1"),
    "training images": (TRAIN_MANIFEST, None),
    "images": (DATA_MANIFEST, None),
    "selection": ("selection", None),
    "teacher": (TEACHER_FINGERPRINT, None),
}
"""Tags that two runs of a pair must share, by their names in words; with the value of runs from before the tag."""
_PARAMS = {
    "image size": ("data.image_size", None),
    "fit": ("data.fit", "stretch"),
    "mask threshold": ("data.mask_threshold", "None"),
}
"""The same of parameters."""
_NAMED = 8  # runs that a note names


@dataclass(frozen=True)
class TrainedRun:
    """One finished run: a variant on a category with a seed."""

    run_id: str
    variant: str
    category: str
    seed: int
    metrics: Mapping[str, float]
    """Of the chosen epoch: on the test images by name, such as `image_auroc` and `image_auroc/defect_type/scratch`, on
    the held-out ones as `held_out/image_auroc`."""
    logged: Mapping[str, float]
    """All that the run logged, the last values, by the names of today."""
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    start_time: int = 0
    """Milliseconds since 1970."""

    @property
    def cell(self) -> tuple[str, str, int]:
        """Variant, category and seed: where it stands in a table."""
        return self.variant, self.category, self.seed

    @property
    def shared(self) -> tuple[tuple[str, str | None], ...]:
        """What two runs must have in common to be a pair, besides category and seed: names in words, and values."""
        of_tags = [(name, self.tags.get(tag, default)) for name, (tag, default) in _TAGS.items()]
        return (*of_tags, *((name, self.params.get(param, default)) for name, (param, default) in _PARAMS.items()))


@dataclass(frozen=True)
class RunSet:
    """Runs that belong together."""

    title: str
    kind: str
    """ablation | study | runs."""
    parent: str | None
    """MLflow run to log to; None for a query."""
    baseline: str | None
    """The variant that the others are compared with by default."""
    variants: tuple[str, ...]
    runs: tuple[TrainedRun, ...]
    notes: tuple[str, ...]

    def by_variant(self) -> dict[str, list[TrainedRun]]:
        """The runs of each variant; variants and runs in their order."""
        found: dict[str, list[TrainedRun]] = {name: [] for name in self.variants}
        for run in self.runs:
            found[run.variant].append(run)
        return found

    def frame(self) -> pd.DataFrame:
        """One row a run: variant, category, seed, what pairs must share, and a column for each metric."""
        rows = [
            {"variant": r.variant, "category": r.category, "seed": r.seed, "shared": r.shared, **r.metrics}
            for r in self.runs
        ]
        return pd.DataFrame(rows)


def find_runs(store: Store, sources: Sequence[str], by: str | None = None) -> RunSet:
    """Find the finished runs that the sources name.

    Args:
        store: where they are.
        sources: names of ablations or studies, ids of their MLflow runs, or queries in MLflow's language.
        by: the tag that tells variants apart; by default `variant`, of a study `trial`.

    Raises:
        ConfigError: a source that is none of these, or no finished run in them.
    """
    found = [_find(store, source, by) for source in sources]
    runs, notes = _newest(found)
    require(len(runs) > 0, f"no finished run in {', '.join(sources)}; let it run first (rdpp ablate, rdpp sweep)")
    variants = tuple(dict.fromkeys(name for run_set in found for name in run_set.variants))
    having = {run.variant for run in runs}
    variants = tuple(name for name in variants if name in having)
    one = found[0] if len(found) == 1 else None
    return RunSet(
        ", ".join(run_set.title for run_set in found),
        one.kind if one else "runs",
        one.parent if one else None,
        found[0].baseline,
        variants,
        tuple(runs),
        (*(note for run_set in found for note in run_set.notes), *notes),
    )


def _find(store: Store, source: str, by: str | None) -> RunSet:
    for level, run in studies_and_ablations(store, source):
        return _of_ablation(store, run, by) if level == "ablation" else _of_study(store, run, by)
    if is_run_id(source):
        return _of_id(store, source, by or "variant")
    if not re.search(r"[=<>]| like ", source, re.IGNORECASE):
        refuse_unknown(store, source, "ablation", "study")
    return _of_query(store, source, by or "variant")


def _of_ablation(store: Store, parent: Run, by: str | None) -> RunSet:
    name = parent.data.tags["ablation"]
    index = store.read_json(parent.info.run_id, ABLATION_INDEX)
    remedy = f"run it again (rdpp ablate), or compare its runs with the query \"tags.ablation = '{name}'\""
    require(
        index is not None,
        f"the ablation {name} has no {ABLATION_INDEX} among its artifacts: it stopped before it began, or the store "
        f"was copied without its artifacts; {remedy}",
    )
    require(
        SAME_KEYS <= index.get("schema", 1) <= SCHEMA,
        f"the ablation {name} was run by another version of rdpp (schema {index.get('schema', 1)}, this one has "
        f"{SCHEMA}); {remedy}",
    )
    wanted = {(variant, training): key for variant, keys in index["runs"].items() for training, key in keys}
    variants_of: dict[str, list[str]] = {}
    for variant, training in sorted(wanted):
        variants_of.setdefault(training, []).append(variant)
    runs = [(run, run.tags.get(KEY_TRAINING, "")) for run in _members(store, parent)]
    found = [(run, variant, own) for run, own in runs for variant in variants_of.get(own, ())]
    found.sort(key=lambda entry: entry[0].tags[KEY] != wanted[entry[1:]])  # those of today's test files first
    here = len({entry[1:] for entry in found})
    notes = () if here == len(wanted) else (f"{here} of {len(wanted)} runs are finished",)
    trained = tuple(_trained(run, by, variant) for run, variant, _ in found)
    variants = tuple(index["runs"]) if by is None else _in_order(trained)
    baseline = index["baseline"] if by is None else None
    return RunSet(name, "ablation", parent.info.run_id, baseline, variants, trained, notes)


def _of_study(store: Store, parent: Run, by: str | None) -> RunSet:
    name = parent.data.tags["study"]
    tag = taken_by(parent.info.run_id)
    trained: list[TrainedRun] = []
    for run in _members(store, parent):
        own = [run.tags["trial"]] if run.tags.get(ROOT) == parent.info.run_id else []
        numbers = dict.fromkeys([*own, *groups(run.tags, tag)])  # one run may serve several trials
        trained += [_trained(run, by, _trial(number)) for number in numbers]
    variants = _in_order(trained)
    baseline = variants[0] if variants else None
    return RunSet(name, "study", parent.info.run_id, baseline, variants, tuple(trained), ())


def _of_query(store: Store, query: str, by: str, variant: str | None = None) -> RunSet:
    """The runs of a query; all of one variant where it is given."""
    runs = store.search(f"{query} and {RUNS} and attributes.status = 'FINISHED'")
    tag = by if variant is None else None
    trained = tuple(_trained(StoredRun.of(run), tag, variant or "") for run in runs)
    return RunSet(query, "runs", None, None, _in_order(trained), trained, ())


def _of_id(store: Store, run_id: str, by: str) -> RunSet:
    """A run, or the runs of a training, a trial or a variant; those that it took over are of its own name."""
    below = leaves(store, run_id)
    require(len(below) > 0, f"no finished run in {run_id}; let it run first (rdpp ablate, rdpp sweep)")
    tags = store.client.get_run(run_id).data.tags
    variant = None if is_run(tags) or by not in tags else _told_apart(tags, by)
    found = _of_query(store, f"attributes.run_id IN ({', '.join(map(repr, below))})", by, variant)
    return replace(found, title=run_id)


def _members(store: Store, parent: Run) -> list[StoredRun]:
    """The finished runs of a study or an ablation, the newest first: its own, and those that it took over."""
    root = parent.info.run_id
    own = runs_with_tag(store, ROOT, root, level="run", finished=True)
    taken = runs_with_tag(store, taken_by(root), None, level="run", finished=True)
    runs = {run.run_id: run for run in (*own, *taken)}
    return sorted(runs.values(), key=lambda run: -run.start_time)


def _trained(run: StoredRun, by: str | None, variant: str = "") -> TrainedRun:
    """A run under the variant that it is given, or by the tag that tells variants apart."""
    tags = run.tags
    if by is not None and by not in tags:
        raise ConfigError(f"the run {run.run_id} has no tag '{by}' to tell variants by; name another with --by")
    if by is not None:
        variant = _told_apart(tags, by)
    chosen = chosen_metrics(run.metrics)
    return TrainedRun(
        run.run_id,
        variant,
        tags["category"],
        int(tags["seed"]),
        chosen,
        run.metrics,
        tags,
        run.params,
        run.start_time,
    )


def _told_apart(tags: Mapping[str, str], by: str) -> str:
    """The variant that the tag stands for."""
    return _trial(tags[by]) if by == "trial" else tags[by]


def _trial(number: str) -> str:
    return f"trial-{int(number):03d}"


def _in_order(runs: Iterable[TrainedRun]) -> tuple[str, ...]:
    return tuple(sorted({run.variant for run in runs}))


def _newest(run_sets: Iterable[RunSet]) -> tuple[list[TrainedRun], list[str]]:
    """One run a cell. Of one source it is the first: the newest, or one whose test files are those of today. Of several
    sources it is the newest of these."""
    cells: dict[tuple[str, str, int], TrainedRun] = {}
    older: list[TrainedRun] = []
    for run_set in run_sets:
        own: dict[tuple[str, str, int], TrainedRun] = {}
        for run in run_set.runs:
            if own.setdefault(run.cell, run).run_id != run.run_id:
                older.append(run)
        for cell, run in own.items():
            known = cells.setdefault(cell, run)
            if known.run_id != run.run_id:
                cells[cell] = max(known, run, key=lambda one: one.start_time)
                older.append(min(run, known, key=lambda one: one.start_time))
    which = ", ".join(f"{run.variant} {run.category} seed {run.seed} (run {run.run_id[:8]})" for run in older[:_NAMED])
    more = f" and {len(older) - _NAMED} more" if len(older) > _NAMED else ""
    found = f"{len(older)} older runs of the same variant, category and seed are left out: {which}{more}"
    return [cells[key] for key in sorted(cells)], [found] if older else []
