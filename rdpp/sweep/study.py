"""The study: created or taken up again in its storage, run to its number of trials, logged to MLflow."""

import re
import uuid
import warnings
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from rdpp.config import ConfigError
from rdpp.engine import grid, planned_epochs, prepare
from rdpp.experiment import ExperimentConfig
from rdpp.metrics import NotFinite
from rdpp.runs import RunObserver, opened
from rdpp.sweep.config import SamplerConfig, SweepConfig, runs_a_trial
from rdpp.sweep.objective import FAILURE, RETRY_OF, STEPS, Objective
from rdpp.sweep.pruners import PRUNERS, SAMPLERS
from rdpp.sweep.space import base_point
from rdpp.tracking.location import DEFAULT_FOLDER, create_sqlite, sqlite_file, sqlite_url
from rdpp.tracking.schema import IMPORTANCES_NEED, SCHEMA
from rdpp.tracking.store import Store
from rdpp.tracking.tree import MlflowTree

# heartbeats and the signed-rank pruner are marked experimental since years; rdpp's tests cover its use of them
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

_HEARTBEAT = 15  # seconds; a trial silent for three of them has died
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
_COUNTED = (*DONE, TrialState.RUNNING, TrialState.WAITING)
_MOST_FAILURES = 5
"""Trials in a row that may diverge: more of them would not help."""


def default_storage() -> str:
    """An sqlite file in ./runs."""
    return sqlite_url((DEFAULT_FOLDER / "optuna.db").absolute())


def open_study(sweep: SweepConfig, storage: str | None = None) -> optuna.Study:
    """Create the sweep's study, or take it up where it stopped.

    Raises:
        ConfigError: a storage that cannot be used, or a study of that name with another definition.
    """
    url = storage or default_storage()
    shown = re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)
    try:
        if file := sqlite_file(url):
            file.parent.mkdir(parents=True, exist_ok=True)
            create_sqlite(file, optuna.storages.RDBStorage)
        backend = optuna.storages.RDBStorage(url, heartbeat_interval=_HEARTBEAT, grace_period=3 * _HEARTBEAT)
        study = optuna.create_study(
            storage=backend,
            study_name=sweep.name,
            direction="maximize",
            load_if_exists=True,
        )
    except (SQLAlchemyError, ValueError, ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"the storage {shown} cannot be used ({reason}); give another with --storage URL") from None
    _check_definition(study, sweep)
    return study


def _check_definition(study: optuna.Study, sweep: SweepConfig) -> None:
    known, schema = study.user_attrs.get("definition"), study.user_attrs.get("schema", 1)
    ours = study.directions == [optuna.study.StudyDirection.MAXIMIZE] and (known or not study.trials)
    if not ours:
        raise ConfigError(
            f"the storage holds a study '{sweep.name}' that rdpp did not start (directions: "
            f"{', '.join(direction.name.lower() for direction in study.directions)}; {len(study.trials)} trials); give "
            "the sweep another name, or another --storage"
        )
    if known is None:
        study.set_user_attr("definition", sweep.fingerprint())
        study.set_user_attr("schema", SCHEMA)
    elif schema != SCHEMA:
        raise ConfigError(
            f"the study '{sweep.name}' was started by another version of rdpp (schema {schema}, this one: {SCHEMA}); "
            "give the sweep another name"
        )
    elif known != sweep.fingerprint():
        raise ConfigError(
            f"the study '{sweep.name}' was started with another definition (space, experiment, categories, seeds, "
            "objective, sampler, pruner or halving); give the sweep another name, or take up the old definition"
        )


def run_study(
    sweep: SweepConfig,
    study: optuna.Study,
    tree: MlflowTree,
    observers: Sequence[RunObserver] = (),
    *,
    again: bool = False,
) -> str:
    """Run trials until the study has its number of them, complete or pruned, or its budget is spent, and log it.

    Every trial's sampler is seeded from the sweep's seed and the trial's number, so that a study that was
    interrupted goes on as it would have gone. Trials that were interrupted are tried again with
    the same values; one that diverged has failed, and the study goes on.

    Args:
        sweep: the study's definition.
        study: see `open_study`.
        tree: where its runs are kept; open.
        observers: are told what happens.
        again: train finished runs anew instead of taking them over.

    Returns:
        The id of the study's MLflow run.
    """
    prepare(grid(sweep.experiment), observers, sweep.objective)
    if not study.trials:
        point = base_point(sweep.space, sweep.experiment)
        if point is not None:
            study.enqueue_trial(point)
    tags = {"study": sweep.name, "variant": sweep.experiment.name, "teacher": sweep.experiment.teacher.name}
    pruner, reason = chosen_pruner(sweep, study)
    study.set_user_attr("pruner", pruner)
    study.pruner = PRUNERS[pruner].make(sweep.halving, _evaluations(sweep.experiment))
    tags = {**tags, "pruner": pruner, "pruner_reason": reason}
    tags |= {"objective": " ".join(sweep.objective), "objective_images": sweep.experiment.evaluation.watched}
    key = study.user_attrs.get("mlflow_key", uuid.uuid4().hex)
    study.set_user_attr("mlflow_key", key)
    with opened(tree, tree.open(sweep.name, level="study", key=key, parent=None, tags=tags)) as node:
        run_id = tree.run_id(node)
        study.set_user_attr(_run_key(tree), run_id)
        objective = Objective(sweep, tree, node, PRUNERS[pruner], observers, again=again)
        while not is_done(sweep, study):
            _retry_failed(study)
            study.sampler = _sampler(sweep.sampler, _begun(study))
            study.optimize(objective, n_trials=1, catch=(NotFinite,))
            _check_failures(study)
            tree.log_metrics(node, {"steps": spent_steps(study)}, step=len(study.trials) - 1)
        tree.finish()
        log_study(tree.store, run_id, study)
    return run_id


def chosen_pruner(sweep: SweepConfig, study: optuna.Study) -> tuple[str, str]:
    """The pruner that the study was started with, or is to be started with, and why."""
    name, reason = sweep.chosen_pruner(runs_a_trial(sweep.experiment))
    known = study.user_attrs.get("pruner", name)
    return known, reason if known == name else "the study was started with it"


def is_done(sweep: SweepConfig, study: optuna.Study) -> bool:
    """Whether the study has its trials, or has spent its budget."""
    enough = sweep.trials is not None and remaining_trials(study, sweep.trials) == 0
    return enough or (sweep.budget is not None and spent_steps(study) >= sweep.budget)


def spent_steps(study: optuna.Study) -> int:
    """Training steps of the trials that are complete or pruned. One that was interrupted is tried again and does not
    count, so that a study that goes on spends as it would have spent."""
    return sum(t.user_attrs.get(STEPS, 0) for t in study.get_trials(deepcopy=False, states=DONE))


def remaining_trials(study: optuna.Study, trials: int) -> int:
    """How many more trials the study wants."""
    return max(0, trials - done_trials(study))


def done_trials(study: optuna.Study) -> int:
    """Trials that have a result: complete, pruned, or failed in a way that no repetition changes."""
    return len(study.get_trials(deepcopy=False, states=DONE)) + len(_failures(study))


def _begun(study: optuna.Study) -> int:
    """Trials that have a result, are running or wait. One that was interrupted is tried again, which counts."""
    return len(study.get_trials(deepcopy=False, states=_COUNTED)) + len(_failures(study))


def _failures(study: optuna.Study) -> list[FrozenTrial]:
    return [t for t in study.get_trials(deepcopy=False, states=(TrialState.FAIL,)) if FAILURE in t.user_attrs]


def _check_failures(study: optuna.Study) -> None:
    """ConfigError: the last trials all failed."""
    last = study.get_trials(deepcopy=False)[-_MOST_FAILURES:]
    if len(last) == _MOST_FAILURES and all(FAILURE in trial.user_attrs for trial in last):
        raise ConfigError(
            f"the last {_MOST_FAILURES} trials of '{study.study_name}' failed ({last[-1].user_attrs[FAILURE]}); narrow "
            "the space, such as to smaller learning rates, and give the sweep another name"
        )


def log_study(store: Store, run_id: str, study: optuna.Study) -> None:
    """Log the best trial, the importances of the parameters, and Optuna's own figures."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return
    best = study.best_trial
    store.log_metrics(run_id, {"best_objective": study.best_value, "best_trial": best.number})
    store.set_tags(run_id, {"best_trial": best.number, **{f"best/{k}": v for k, v in best.params.items()}})
    store.client.log_dict(run_id, {"trial": best.number, "value": best.value, "params": best.params}, "best.json")
    store.client.log_text(run_id, study.trials_dataframe().to_csv(index=False), "trials.csv")
    figures = {
        "history": optuna.visualization.plot_optimization_history,
        "slices": optuna.visualization.plot_slice,
    }
    if len(complete) >= IMPORTANCES_NEED and np.ptp([t.value for t in complete if t.value is not None]) > 0:
        importances = optuna.importance.get_param_importances(study)
        store.log_metrics(run_id, {f"importance/{path}": value for path, value in importances.items()})
        figures["importances"] = optuna.visualization.plot_param_importances
    for name, plot in figures.items():
        figure = plot(study)
        figure.update_layout(title=f"{figure.layout.title.text}, from {len(complete)} complete trials")
        store.client.log_figure(run_id, figure, f"figures/{name}.html")
        store.client.log_text(run_id, figure.to_json(), f"figures/{name}.json")  # for `rdpp report`


def _run_key(tree: MlflowTree) -> str:
    return f"mlflow_run_id {tree.uri}"


def _retry_failed(study: optuna.Study) -> None:
    """Queue each failed trial's values once more. Trials of a killed process count as failed after a while."""
    optuna.storages.fail_stale_trials(study)
    trials = study.get_trials(deepcopy=False)
    retried = {t.user_attrs[RETRY_OF] for t in trials if RETRY_OF in t.user_attrs}
    for trial in trials:
        interrupted = trial.state == TrialState.FAIL and FAILURE not in trial.user_attrs
        if interrupted and trial.params and trial.number not in retried:
            study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number})


def _sampler(config: SamplerConfig, trial: int) -> optuna.samplers.BaseSampler:
    seed = int(np.random.SeedSequence([config.seed, trial]).generate_state(1)[0])
    return SAMPLERS[config.name](seed, config.startup_trials)


def _evaluations(experiment: ExperimentConfig) -> int:
    """How many evaluations a trial plans, over all its runs."""
    every = experiment.evaluation.every
    return sum(-(-planned_epochs(spec) // every) for spec in grid(experiment))
