"""The points of a study in Optuna's storage: asked for, reported, told; by any number of processes.

A point is a trial of Optuna's that is RUNNING from when it is asked for until its last run ends, whatever happens to
the processes that work at it. Whoever asks or tells holds the study's lock.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import DBAPIError

from rdpp.runs.patience import Patience
from rdpp.sweep.config import SamplerConfig
from rdpp.sweep.drawing import Drawing
from rdpp.sweep.space import Dimension

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
        self.study, self._storage, self._drawing = study, storage, Drawing(space, sampler)
        self._study_id = storage.get_study_id_from_name(study.study_name)

    @functools.cached_property
    def key(self) -> str:
        """Tells the study from others, whatever their names and storages."""
        return self._attributes()["key"]

    @_patient
    def _attributes(self) -> dict[str, Any]:
        return self._storage.get_study_user_attrs(self._study_id)

    @_patient
    def all(self) -> list[FrozenTrial]:
        """Every one, whatever its state, in order."""
        return self.study.get_trials(deepcopy=False)

    @_patient
    def get(self, number: int) -> FrozenTrial:
        """One of them as it is now."""
        return self._storage.get_trial(self._id(number))

    def best(self) -> FrozenTrial | None:
        """The complete one with the highest value, of equal ones the first; None if none is complete."""
        complete = [trial for trial in self.all() if trial.state == TrialState.COMPLETE and trial.value is not None]
        return max(complete, key=lambda trial: trial.value or 0.0, default=None)

    def open(self) -> list[FrozenTrial]:
        """Those in work."""
        return [t for t in self.all() if t.state == TrialState.RUNNING]

    @_patient
    def ask(self, first: Mapping[str, Any] | None = None) -> int:
        """Draw a point, and begin it: all of it is in the storage, or nothing.

        Args:
            first: the values of the study's very first point, if they are given.

        Returns:
            Its number.
        """
        trials = self.all()
        drawn = self._drawing.draw(trials, first)
        if drawn.number < len(trials):
            self._begin_waiting(drawn)
        else:
            begun = create_trial(state=TrialState.RUNNING, params=drawn.params, distributions=drawn.distributions)
            self._storage.create_new_trial(self._study_id, begun)
        return drawn.number

    @_patient
    def put(self, number: int, key: str, value: Any) -> None:
        """Keep a user attribute of a point."""
        self._storage.set_trial_user_attr(self._id(number), key, value)

    @_patient
    def most_kept(self) -> float:
        """Of how many trials, at most, checkpoints and pictures are kept now; infinite where nobody knows."""
        kept = self._attributes().get(_KEPT)
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

    def _begin_waiting(self, drawn: FrozenTrial) -> None:
        """Begin a trial that was enqueued with some of its values. Until its state changes, it may be drawn again."""
        trial_id = self._id(drawn.number)
        for path, distribution in drawn.distributions.items():
            value = distribution.to_internal_repr(drawn.params[path])
            self._storage.set_trial_param(trial_id, path, value, distribution)
        self._storage.set_trial_state_values(trial_id, TrialState.RUNNING)

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)


def count_begun(trials: Sequence[FrozenTrial]) -> int:
    """How many have a result or are in work."""
    return sum(trial.state != TrialState.WAITING for trial in trials)
