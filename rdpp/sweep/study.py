"""The study: created or taken up again in its storage, and brought to its end."""

import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from rdpp.addresses import shown
from rdpp.config import ConfigError, flatten
from rdpp.engine import grid, prepare, prepare_all
from rdpp.runs import Locks, Node, RunObserver, Tree, usable_of
from rdpp.runs.patience import PATIENCE, Patience
from rdpp.sweep.config import SweepConfig, runs_a_trial
from rdpp.sweep.description import describe_study
from rdpp.sweep.figures import FIGURES, figure_data, figures_of, figures_page
from rdpp.sweep.findings import findings
from rdpp.sweep.job import StudyJob
from rdpp.sweep.points import Points
from rdpp.sweep.pruners import PRUNERS
from rdpp.sweep.views import study_views
from rdpp.sweep.way import planned_evaluations
from rdpp.tracking.conventions.location import create_sqlite, sqlite_file, storage_url
from rdpp.tracking.conventions.schema import SAME_KEYS, SCHEMA
from rdpp.tracking.ui.labels import DESCRIPTION

# the signed-rank pruner and constant_liar are marked experimental since years; rdpp's tests cover its use of them
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

_DEFINED = "definition_values"
"""Attribute of a study: its definition as plain data, beside its digest, to say what differs."""
_NAMED = 6  # differences that a message names


def open_study(sweep: SweepConfig, storage: str | None, locks: Locks, *, must_be_there: bool = True) -> Points:
    """Create the sweep's study, or take it up where it stopped.

    Args:
        sweep: its definition.
        storage: URL of Optuna's storage; see `storage_url`.
        locks: keep two processes from creating it at once.
        must_be_there: whether a database that is away now is an error; a worker of a command that has found it waits.

    Raises:
        ConfigError: a storage that cannot be used, or a study of that name with another definition.
    """
    url = storage_url(storage)
    patience = None if must_be_there else Patience("the study's storage")
    while True:
        try:
            with locks.lock("studies"):
                return _opened(sweep, url)
        except ConfigError:
            raise
        except (SQLAlchemyError, StorageInternalError, ValueError, ImportError, OSError) as error:
            away = isinstance(error, DBAPIError | StorageInternalError)
            if away and patience is not None:
                patience.wait(error)
                continue
            reason = " ".join(shown(error.__cause__ if away and error.__cause__ else error).split())[:200]
            raise ConfigError(
                f"the storage {shown(url)} cannot be used ({reason}); give another with --storage URL or RDPP_STORAGE"
            ) from None


def _opened(sweep: SweepConfig, url: str) -> Points:
    if file := sqlite_file(url):
        file.parent.mkdir(parents=True, exist_ok=True)
        create_sqlite(file, RDBStorage)
    backend = RDBStorage(url, engine_kwargs=_engine(url))
    study = optuna.create_study(storage=backend, study_name=sweep.name, direction="maximize", load_if_exists=True)
    _check_definition(study, sweep)
    pruner, _ = chosen_pruner(sweep, study)
    study.set_user_attr("pruner", pruner)
    study.pruner = PRUNERS[pruner].make(sweep.halving, sum(planned_evaluations(grid(sweep.experiment))))
    return Points(study, backend, sweep.space, sweep.sampler)


def _engine(url: str) -> dict[str, object]:
    """How SQLAlchemy connects: waits for a lock of sqlite's; looks whether a server still answers."""
    return {"connect_args": {"timeout": PATIENCE}} if sqlite_file(url) else {"pool_pre_ping": True}


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
        study.set_user_attr("key", uuid.uuid4().hex)
        study.set_user_attr("schema", SCHEMA)
        study.set_user_attr("definition", sweep.fingerprint())
        study.set_user_attr(_DEFINED, sweep.definition())
    elif not SAME_KEYS <= schema <= SCHEMA:
        raise ConfigError(
            f"the study '{sweep.name}' was started by another version of rdpp (schema {schema}, this one: {SCHEMA}); "
            "give the sweep another name"
        )
    elif known != sweep.fingerprint():
        raise ConfigError(
            f"the study '{sweep.name}' was started with another definition: "
            f"{_differences(study.user_attrs.get(_DEFINED), sweep)}; give the sweep another name, or take up the old "
            "definition"
        )
    elif study.user_attrs.get(_DEFINED) is None:
        study.set_user_attr(_DEFINED, sweep.definition())


def _differences(known: Mapping[str, Any] | None, sweep: SweepConfig) -> str:
    """What differs from the definition that a study has: the old and the new value of each path."""
    if known is None:  # a study from before definitions were kept beside their digests
        return "another space, experiment, categories, seeds, objective, sampler, pruner or halving"
    old, new = flatten(known), flatten(sweep.definition())
    paths = [path for path in {**old, **new} if old.get(path) != new.get(path)]
    told = [f"{path} was {old.get(path, 'not there')}, is {new.get(path, 'not there')}" for path in paths[:_NAMED]]
    return "; ".join([*told, *([f"and {len(paths) - _NAMED} more"] if len(paths) > _NAMED else [])])


def chosen_pruner(sweep: SweepConfig, study: optuna.Study) -> tuple[str, str]:
    """The pruner that the study was started with, or is to be started with, and why."""
    name, reason = sweep.chosen_pruner(runs_a_trial(sweep.experiment))
    known = study.user_attrs.get("pruner", name)
    return known, reason if known == name else "the study was started with it"


def open_study_node(sweep: SweepConfig, points: Points, tree: Tree) -> Node:
    """The study's MLflow run, and the pages of MLflow's UI about it."""
    pruner, reason = chosen_pruner(sweep, points.study)
    tags = {"study": sweep.name, "variant": sweep.experiment.name, "teacher": sweep.experiment.teacher.name}
    tags |= {"pruner": pruner, "pruner_reason": reason}
    tags |= {"objective": " ".join(sweep.objective), "objective_images": sweep.experiment.evaluation.watched}
    tags |= {DESCRIPTION: describe_study(sweep, points.study, pruner, findings(sweep, points.study))}
    node = tree.open(sweep.name, level="study", key=points.key, parent=None, tags=tags)
    for view in reversed(study_views(sweep)):  # the one to open is the newest
        tree.save_view(node, view)
    return node


def prepare_study(sweep: SweepConfig, observers: Sequence[RunObserver], tell: Callable[[str], None]) -> None:
    """Read what its runs need: what can be seen before training is told before training.

    Raises:
        ConfigError: a category cannot be used; with `allow_failed_runs`, none can.
    """
    specs = grid(sweep.experiment)
    if not sweep.allow_failed_runs:
        prepare_all(specs, observers, sweep.objective)
        return
    unusable = prepare(specs, observers, sweep.objective)
    for category, error in unusable.items():
        tell(f"{category} cannot be used, and trials go on without it: {error}")
    usable_of(specs, unusable)


def run_study(job: StudyJob, work_at: Callable[[], None]) -> None:
    """Bring a study to its end, and log it.

    Args:
        job: the study.
        work_at: works at it, in this process or others, until it is done.
    """
    tree, node = job.tree, job.node
    with tree.locks.present(f"node-{node.id}") as others:
        job.open_again()
        try:
            work_at()
        except BaseException as error:
            if not others():
                job.close_open(error)
                tree.close(node, error)
            raise
    with job.lock():
        job.abandon_left()
        job.forget_left()
        _log(job.sweep, tree, node, job.points.study)
        tree.close(node)


def _log(sweep: SweepConfig, tree: Tree, node: Node, study: optuna.Study) -> None:
    """Log what the study comes to: in words, the best trial, the importances of the parameters, Optuna's figures."""
    found = findings(sweep, study)
    tree.set_tags(node, {DESCRIPTION: describe_study(sweep, study, chosen_pruner(sweep, study)[0], found)})
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return
    best = study.best_trial
    tree.log_metrics(node, {"best_objective": study.best_value, "best_trial": best.number})
    tree.set_tags(node, {"best_trial": best.number, **{f"best/{k}": v for k, v in best.params.items()}})
    tree.log_json(node, "best.json", {"trial": best.number, "value": best.value, "params": best.params})
    tree.log_text(node, "trials.csv", study.trials_dataframe().to_csv(index=False))
    if found.importances is not None:
        tree.log_metrics(node, {f"importance/{path}": share for path, share in found.importances.shares.items()})
    figures = figures_of(study, len(complete), found.importances)
    tree.log_text(node, FIGURES, figures_page(f"Study {sweep.name}", figures))
    for name, figure in figures.items():
        tree.log_json(node, f"figures/{name}.json", figure_data(figure))  # for `rdpp report`


def remaining_trials(sweep: SweepConfig, points: Points) -> int:
    """How many more trials the study wants, of those that have no result yet."""
    assert sweep.trials is not None
    return max(0, sweep.trials - sum(trial.state.is_finished() for trial in points.all()))
