"""The points of a study in Optuna's storage: asked for, reported, told; by any number of processes.

A point is a trial of Optuna's that is RUNNING from when it is asked for until its last run ends, whatever happens to
the processes that work at it. Whoever asks or tells holds the study's lock.
"""

import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np
import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError

from rdpp.runs.patience import Patience
from rdpp.sweep.config import SamplerConfig
from rdpp.sweep.pruners import SAMPLERS
from rdpp.sweep.space import Dimension, suggest

_KEPT = "kept"
"""Attribute of a study; see `Points.most_kept`."""
P = ParamSpec("P")
T = TypeVar("T")


def _patient(method: Callable[P, T]) -> Callable[P, T]:
    """Try again while the database is away. Every method may be repeated: what it wrote already it writes again."""

    @functools.wraps(method)
    def tried(*args: P.args, **kwargs: P.kwargs) -> T:
        patience = Patience("the study's storage")
        while True:
            try:
                return method(*args, **kwargs)
            except (StorageInternalError, DBAPIError) as error:
                patience.wait(error)

    return tried


class Points:
    """The trials of one study."""

    def __init__(
        self, study: optuna.Study, storage: RDBStorage, space: Mapping[str, Dimension], sampler: SamplerConfig
    ) -> None:
        self.study, self._storage, self._space, self._sampler = study, storage, space, sampler
        self._study_id = storage.get_study_id_from_name(study.study_name)

    @functools.cached_property
    def key(self) -> str:
        """Tells the study from others, whatever their names and storages."""
        return self.study.user_attrs["key"]

    @_patient
    def all(self) -> list[FrozenTrial]:
        """Every one, whatever its state, in order."""
        return self.study.get_trials(deepcopy=False)

    @_patient
    def get(self, number: int) -> FrozenTrial:
        """One of them as it is now."""
        return self._storage.get_trial(self._id(number))

    def open(self) -> list[FrozenTrial]:
        """Those in work, whose values are drawn."""
        return [t for t in self.all() if t.state == TrialState.RUNNING and self._is_drawn(t)]

    def half_drawn(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Those of all trials that a process left without all their values."""
        return [t for t in trials if t.state == TrialState.RUNNING and not self._is_drawn(t)]

    @_patient
    def ask(self, first: Mapping[str, Any] | None = None) -> int:
        """Draw a point. One that a process left without all its values is drawn to its end instead.

        The sampler is seeded by the trial's number and the parameter, so that a point that is drawn again is the same.

        Args:
            first: the values of the study's very first point, if they are given.

        Returns:
            Its number.
        """
        trials = self.all()
        if not trials and first is not None:
            self.study.enqueue_trial(dict(first))
        begun = self.half_drawn(trials)
        number = begun[0].number if begun else count_begun(trials)
        self._seed(number, "")
        trial = self._again(begun[0]) if begun else self.study.ask()
        assert trial.number == number, "the study's lock is held"
        _ = trial.relative_params  # what the sampler draws of all parameters together, it draws now
        for path, dimension in self._space.items():
            self._seed(number, path)
            suggest({path: dimension}, trial)
        return number

    @_patient
    def put(self, number: int, key: str, value: Any) -> None:
        """Keep a user attribute of a point."""
        self._storage.set_trial_user_attr(self._id(number), key, value)

    @_patient
    def most_kept(self) -> float:
        """Of how many trials, at most, checkpoints and pictures are kept now; infinite where nobody knows."""
        kept = self._storage.get_study_user_attrs(self._study_id).get(_KEPT)
        if kept is None and self.all():
            return math.inf
        return math.inf if kept == "all" else kept or 0

    @_patient
    def note_kept(self, count: float) -> None:
        """Keep that for later; see `most_kept`."""
        self._storage.set_study_user_attr(self._study_id, _KEPT, "all" if math.isinf(count) else int(count))

    @_patient
    def gives_up(self, number: int, pruner: optuna.pruners.BasePruner, step: int, value: float) -> bool:
        """Report a value, and ask a pruner. Asked again about the same step, it answers the same."""
        self._storage.set_trial_intermediate_value(self._id(number), step, value)
        return pruner.prune(self.study, self._storage.get_trial(self._id(number)))

    @_patient
    def tell(self, number: int, state: TrialState, value: float | None = None) -> None:
        """End a point; nothing where it has ended already."""
        try:
            self._storage.set_trial_state_values(self._id(number), state, None if value is None else [value])
        except UpdateFinishedTrialError:
            return

    def _again(self, begun: FrozenTrial) -> optuna.Trial:
        """A trial whose values are not all drawn. What a sampler had drawn of all parameters together, it gets again:
        Optuna keeps that with the trial, and a sampler would take it for another trial's."""
        trial_id = self._id(begun.number)
        parts = {key: part for key, part in begun.system_attrs.items() if ":relative_params:" in key}
        if parts:
            drawn = json.loads("".join(parts[key] for key in sorted(parts, key=lambda key: int(key.split(":")[-1]))))
            self._storage.set_trial_system_attr(trial_id, "fixed_params", drawn)
        return optuna.Trial(self.study, trial_id)

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _is_drawn(self, trial: FrozenTrial) -> bool:
        return trial.params.keys() == self._space.keys()

    def _seed(self, number: int, path: str) -> None:
        entropy = [self._sampler.seed, number, *path.encode()]
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        self.study.sampler = SAMPLERS[self._sampler.name](seed, self._sampler.startup_trials)


def count_begun(trials: Sequence[FrozenTrial]) -> int:
    """How many have a result or are in work."""
    return sum(trial.state != TrialState.WAITING for trial in trials)
