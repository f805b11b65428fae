"""Many finished runs in an MLflow store on sqlite, cloned from one real run: a large ablation, a large study.

A clone has a real run's tags, parameters and last metrics, with another category, seed and key, and values that differ
a little. Its metrics' history is not cloned, since neither `rdpp compare` nor `rdpp report` reads it.
"""

import hashlib
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import optuna
from mlflow import MlflowClient

from rdpp.tracking.conventions.artifacts import ABLATION_INDEX
from rdpp.tracking.conventions.schema import SCHEMA

_COPIED = {
    "runs": "run_uuid",
    "tags": "run_uuid",
    "params": "run_uuid",
    "latest_metrics": "run_uuid",
}
"""Tables of MLflow's with rows of a run, and their column with its id."""
_CHANGED = {"latest_metrics": {"value": "value * (0.97 + 0.03 * (abs(random()) % 1000) / 1000)"}}
_CATEGORIES = 15
"""As many as MVTec AD has."""


@dataclass(frozen=True)
class Cell:
    """A category with a seed."""

    category: str
    seed: int

    def key(self, variant: str) -> str:
        """Of the run of a variant."""
        return hashlib.sha256(f"{variant} {self.category} {self.seed}".encode()).hexdigest()[:16]


def cells(count: int) -> list[Cell]:
    """So many; with as many categories as MVTec AD has, if they are enough for two seeds."""
    categories = min(_CATEGORIES, max(1, count // 2))
    return [Cell(f"category-{i % categories:02d}", 1 + i // categories) for i in range(count)]


class Clones:
    """Clones the runs of one store."""

    def __init__(self, file: Path) -> None:
        self.client = MlflowClient(f"sqlite:///{file}")
        self._database = sqlite3.connect(file)
        for setting in ("synchronous = off", "journal_mode = off", "cache_size = -1000000"):  # for speed
            self._database.execute(f"pragma {setting}")

    def close(self) -> None:
        """Write everything."""
        self._database.commit()
        self._database.close()

    def find(self, level: str) -> str:
        """The id of a run at a level of the tree."""
        query = "select run_uuid from tags where key = 'level' and value = ? order by run_uuid"
        return self._database.execute(query, (level,)).fetchone()[0]

    def clone(self, run_id: str, tags: Mapping[str, object]) -> str:
        """A new run with other values of some of its tags; its id."""
        new = uuid.uuid4().hex
        for table, column in _COPIED.items():
            names = [row[1] for row in self._database.execute(f"pragma table_info({table})")]
            changed = {column: f"'{new}'", **_CHANGED.get(table, {})}
            values = ", ".join(str(changed.get(name) or name) for name in names)
            self._database.execute(f"insert into {table} select {values} from {table} where {column} = ?", (run_id,))
        for key, value in tags.items():
            self._database.execute("delete from tags where key = ? and run_uuid = ?", (key, new))
            self._database.execute("insert into tags (key, value, run_uuid) values (?, ?, ?)", (key, str(value), new))
        return new

    def _runs(self, root: str, parent: str, variant: str, at: list[Cell], tags: Mapping[str, object]) -> None:
        template = self.find("run")
        for cell in at:
            key = cell.key(f"{root} {variant}")
            own = {"category": cell.category, "seed": cell.seed, "key": key, "key_training": key, "node": key}
            self.clone(template, {**own, "root": root, "mlflow.parentRunId": parent, "variant": variant, **tags})

    def ablation(self, name: str, variants: int, cells_each: int) -> None:
        """A finished ablation."""
        names, at = [f"variant-{i:03d}" for i in range(variants)], cells(cells_each)
        study = self.find("study")
        root = self.clone(study, {"level": "ablation", "ablation": name, "baseline": names[0], "node": f"node {name}"})
        for variant in names:
            tags = {"level": "variant", "variant": variant, "root": root, "mlflow.parentRunId": root}
            parent = self.clone(self.find("trial"), {**tags, "node": f"{root} {variant}"})
            self._runs(root, parent, variant, at, {"ablation": name})
        self._database.commit()
        runs = {variant: [[cell.key(f"{root} {variant}")] * 2 for cell in at] for variant in names}
        self._own_artifacts(root)
        self.client.log_dict(root, {"schema": SCHEMA, "baseline": names[0], "runs": runs}, ABLATION_INDEX)

    def study(self, name: str, trials: int, cells_each: int) -> None:
        """A finished study, with Optuna's figures of so many trials."""
        root = self.clone(self.find("study"), {"study": name, "node": f"node {name}"})
        self._trials(name, root, range(trials), cells(cells_each))
        self._own_artifacts(root)
        for path, figure in _figures(trials):
            self.client.log_text(root, figure, path)

    def more_trials(self, name: str, numbers: Iterable[int]) -> None:
        """Finished trials, of one run each, of a study that is there."""
        self._trials(name, self.find("study"), numbers, [Cell("bolt", 1)])

    def _trials(self, name: str, root: str, numbers: Iterable[int], at: list[Cell]) -> None:
        template = self.find("trial")
        for number in numbers:
            tags = {"trial": number, "root": root, "mlflow.parentRunId": root, "study": name}
            parent = self.clone(template, {**tags, "key": number, "node": f"{root} {number}"})
            self._runs(root, parent, f"{number}", at, {"trial": number, "study": name})
        self._database.commit()

    def _own_artifacts(self, run_id: str) -> None:
        """A clone's artifacts lie where those of its model lie, else."""
        (old,) = self._database.execute("select artifact_uri from runs where run_uuid = ?", (run_id,)).fetchone()
        new = f"{old.rsplit('/', 2)[0]}/{run_id}/artifacts"
        self._database.execute("update runs set artifact_uri = ? where run_uuid = ?", (new, run_id))
        self._database.commit()


def _figures(trials: int) -> Iterator[tuple[str, str]]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) * trial.suggest_float("y", 0, 1), n_trials=trials)
    yield "figures/history.json", str(optuna.visualization.plot_optimization_history(study).to_json())
    yield "figures/slices.json", str(optuna.visualization.plot_slice(study).to_json())


def clones(file: Path) -> "closing[Clones]":
    """Clones of a store, written when the block ends."""
    return closing(Clones(file))
