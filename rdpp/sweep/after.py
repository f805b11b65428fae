"""What a person does next with a study's best trial: confirm it, train it in full, and predict with it."""

import shlex
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from rdpp.addresses import store_flag
from rdpp.display.console import short, with_unit
from rdpp.experiment import ExperimentConfig
from rdpp.runs import Node
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.space import base_point
from rdpp.tracking.reading.recorded import run_with_checkpoint, studies_and_ablations
from rdpp.tracking.store.listing import StoredRun
from rdpp.tracking.tree import MlflowTree


@dataclass(frozen=True)
class Best:
    """A study's best trial, and what MLflow has of it."""

    trial: FrozenTrial
    source: str
    """The study as `rdpp train --from` takes it: its name, or the id of its MLflow run where others have that name."""
    study: str | None
    """The id of the study's MLflow run; None where MLflow is away."""
    model: StoredRun | None
    """A run of the trial that kept its checkpoint; None where none did, or MLflow is away."""

    def lines(self, tracking_uri: str | None) -> list[str]:
        """For a person, with commands that can be pasted; `tracking_uri`: as it was given, None for the default."""
        values = ", ".join(f"{path} {short(value)}" for path, value in self.trial.params.items())
        store = store_flag(tracking_uri)
        lines = [
            f"Best: trial {self.trial.number}, objective {with_unit(self.trial.value)}, {values}",
            "Train its configuration (its own runs are trained: add --epochs, --seeds, --categories or --data):",
            f"  rdpp train --from {shlex.quote(self.source)}{store}",
        ]
        if self.model is not None:
            tags = self.model.tags
            lines += [
                f"Predict with its network for {tags['category']}, seed {tags['seed']}:",
                f"  rdpp predict IMAGES --model {self.model.run_id} --out predicted{store}",
            ]
        return lines


BASE = "base"
"""The sweep's experiment as it stands: a variant of a confirmation, and a trial that has its values."""


def confirmation(sweep: SweepConfig, best: FrozenTrial) -> dict[str, ExperimentConfig]:
    """The experiment as it stands and the best trial, with fresh seeds: those after the study's.

    Returns:
        Experiments by the names of variants; none where the study confirms nothing, or the best trial is the experiment
        as it stands.
    """
    first = max(sweep.experiment.seeds) + 1
    fresh = {"seeds": list(range(first, first + sweep.confirm)), "name": BASE}
    if not sweep.confirm or best.params == base_point(sweep.space, sweep.experiment):
        return {}
    base, name = sweep.experiment.with_overrides(fresh), f"trial-{best.number:03d}"
    return {BASE: base, name: base.with_overrides({**best.params, "name": name})}


def best_of(study: optuna.Study, node: Node, tree: MlflowTree) -> Best | None:
    """The complete trial with the highest objective, of equal ones the earliest; None where none is complete.

    Args:
        study: Optuna's.
        node: the study's.
        tree: where its runs are kept; what was recorded is sent first.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return None
    best = min(complete, key=lambda trial: (-(trial.value or 0.0), trial.number))
    run_id = tree.known_run_id(node)
    if run_id is None:
        return Best(best, study.study_name, None, None)
    unique = len(studies_and_ablations(tree.store, study.study_name)) == 1
    found = tree.store.run_of_node(tree.node("trial", str(best.number), node).id)
    model = None if found is None else run_with_checkpoint(tree.store, StoredRun.of(found))
    return Best(best, study.study_name if unique else run_id, run_id, model)
