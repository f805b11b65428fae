"""Run what is missing of an ablation's matrix, tracked as ablation > variant > category and seed."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Run

from rdpp.ablation.config import AblationConfig, cell_key
from rdpp.data import scan
from rdpp.engine import Observer, prepare
from rdpp.tracking.campaign import Cell, cells, train_cell
from rdpp.tracking.store import Store
from rdpp.tracking.writer import Writer

INDEX = "ablation.json"
"""Artifact of the ablation's run: its baseline, and which cells belong to it today, by variant."""


@dataclass(frozen=True)
class MatrixCell:
    """One variant on one category with one seed."""

    variant: str
    cell: Cell
    key: str
    """Identifies the cell by all that decides its result."""


def matrix(ablation: AblationConfig) -> list[MatrixCell]:
    """Every cell, in the order in which they run: block by block of a seed and a category, so that an ablation
    that is stopped has whole pairs to compare."""
    base = ablation.base
    watches_test = any(variant.evaluation.watched == "test" for variant in ablation.variants.values())
    categories = {name: scan(Path(base.data.root), name, test=watches_test) for name in base.data.categories}
    return [
        MatrixCell(name, cell, cell_key(variant, categories[cell.category], cell.seed))
        for cell in cells(base)
        for name, variant in ablation.variants.items()
    ]


def finished(store: Store, ablation: str) -> dict[str, Run]:
    """The finished runs of an ablation, by cell key; the newest where a cell ran twice."""
    runs = store.search(f"tags.ablation = '{ablation}' and tags.level = 'run' and attributes.status = 'FINISHED'")
    return {run.data.tags["cell"]: run for run in reversed(runs)}


def missing(ablation: AblationConfig, store: Store) -> list[MatrixCell]:
    """The cells that have not finished."""
    done = finished(store, ablation.name)
    return [cell for cell in matrix(ablation) if cell.key not in done]


def run_ablation(ablation: AblationConfig, store: Store, observers: Sequence[Observer] = ()) -> str:
    """Train the missing cells.

    Returns:
        The id of the ablation's MLflow run: the one it had before, where it was run already.

    Raises:
        ConfigError: images or weights that cannot be used.
    """
    for variant in ablation.variants.values():
        prepare(variant)
    tags = {"ablation": ablation.name, "teacher": ablation.base.teacher.name}
    with ExitStack() as stack:
        parent_tags = {**tags, "level": "ablation", "baseline": ablation.baseline}
        known = store.search(f"tags.level = 'ablation' and tags.ablation = '{ablation.name}'")
        resume = known[0].info.run_id if known else None
        parent = stack.enter_context(store.run(ablation.name, tags=parent_tags, resume=resume))
        store.set_tags(parent, parent_tags)
        store.client.log_dict(parent, _index(ablation), INDEX)
        known_variants = _variant_runs(store, parent)
        open_variants = stack.enter_context(ExitStack())
        writer = stack.enter_context(Writer(lambda: store))  # ends before the runs above its own are closed
        variants: dict[str, str] = {}
        for cell in missing(ablation, store):
            if cell.variant not in variants:
                own = {**tags, "level": "variant", "variant": cell.variant}
                context = store.run(cell.variant, parent=parent, tags=own, resume=known_variants.get(cell.variant))
                variants[cell.variant] = open_variants.enter_context(context)
            train_cell(
                writer,
                ablation.variants[cell.variant],
                cell.cell,
                parent=variants[cell.variant],
                tags={**tags, "variant": cell.variant, "cell": cell.key},
                observers=observers,
            )
    return parent


def _index(ablation: AblationConfig) -> dict[str, object]:
    keys: dict[str, list[str]] = {name: [] for name in ablation.variants}
    for cell in matrix(ablation):
        keys[cell.variant].append(cell.key)
    return {"baseline": ablation.baseline, "cells": keys}


def _variant_runs(store: Store, parent: str) -> dict[str, str]:
    runs = store.search(f"tags.level = 'variant' and tags.`mlflow.parentRunId` = '{parent}'")
    return {run.data.tags["variant"]: run.info.run_id for run in runs}
