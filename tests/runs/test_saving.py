"""When states are saved, and where a run goes on from them."""

from types import SimpleNamespace

import pytest

import rdpp.runs.saving as saving
from rdpp.config import ConfigError
from rdpp.engine import RunSpec, machine_digest, train
from rdpp.interval import Interval
from rdpp.runs import HoldLost
from rdpp.runs.saving import StateSaver, resumption
from rdpp.runs.work_folder import FileHold
from rdpp.stopping import Stop, Stopped


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def pauses(saver, clock, batches, *, seconds=1.0, cost=0.0, per_epoch=4):
    """The batches after which a state was saved."""
    saved = []

    def save(folder):
        saved.append(batch)
        clock.now += cost

    for batch in range(1, batches + 1):
        clock.now += seconds
        saver(SimpleNamespace(state=SimpleNamespace(batch=batch, epoch=(batch - 1) // per_epoch), save=save))
    return saved


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (Interval(batches=3), [3, 6, 9]),
        (Interval(epochs=1), [5, 9]),
        (Interval(seconds=4.0), [4, 8]),
    ],
)
def test_states_are_saved_as_often_as_is_said(tmp_path, every, expected):
    clock = Clock()
    assert pauses(StateSaver(tmp_path, every, Stop(), FileHold(), clock=clock), clock, 10) == expected


def test_by_itself_saving_takes_a_hundredth_of_the_time(tmp_path):
    clock = Clock()
    saved = pauses(StateSaver(tmp_path, None, Stop(), FileHold(), clock=clock), clock, 1000, cost=0.5)
    assert saved == [*range(30, 1001, 50)]


def test_a_request_to_stop_saves_and_stops(tmp_path):
    stop, clock = Stop(lambda line: None), Clock()
    saver, saved = StateSaver(tmp_path, Interval(batches=100), stop, FileHold(), clock=clock), []
    with stop.after_batch():
        stop.request(15)
        pause = SimpleNamespace(state=SimpleNamespace(batch=1, epoch=0), save=saved.append)
        with pytest.raises(Stopped):
            saver(pause)
    assert saved == [tmp_path]


def test_a_run_that_another_machine_has_saves_nothing(tmp_path):
    class Lost:
        def check(self):
            raise HoldLost("run-a")

    stop, told = Stop(lambda line: None), []
    saver = StateSaver(tmp_path, Interval(batches=1), stop, Lost(), lambda folder, batch: told.append(batch))
    pause = SimpleNamespace(state=SimpleNamespace(batch=1, epoch=0), save=told.append)
    with pytest.raises(HoldLost):
        saver(pause)
    assert told == []


def test_whoever_wants_is_told_of_a_state_after_it_was_saved(tmp_path):
    told = []
    saver = StateSaver(
        tmp_path, Interval(batches=2), Stop(), FileHold(), lambda folder, batch: told.append((folder, batch))
    )
    for batch in range(1, 5):
        saver(SimpleNamespace(state=SimpleNamespace(batch=batch, epoch=0), save=told.append))
    assert told == [tmp_path, (tmp_path, 2), tmp_path, (tmp_path, 4)]


@pytest.fixture(scope="module")
def spec(tiny):
    return RunSpec.of(tiny.with_overrides({"losses.reconstruction": None, "losses.contrast": None}), "bolt", 1)


@pytest.fixture
def state(spec, tmp_path):
    """The folder of a run that was stopped after its second batch."""
    stop = Stop(lambda line: None)

    def ask(event):
        if getattr(event, "batch", None) == 2:
            stop.requested = 15

    with pytest.raises(Stopped):
        train(spec, observers=[ask], after_batch=StateSaver(tmp_path / "state", None, stop, FileHold()))
    return tmp_path / "state"


def went_on(state, spec, **how):
    told = []
    found = resumption(state, spec, **{"changed_code": False, "tell": told.append, **how})
    return *found, told


def test_a_run_goes_on_from_its_state(state, spec):
    assert went_on(state, spec) == (state, {}, [])


def test_without_a_state_it_begins(tmp_path, spec):
    assert went_on(tmp_path / "state", spec) == (None, {}, [])


def test_a_state_of_other_code_is_refused_or_noted(state, spec, monkeypatch):
    before = saving.code_digest()
    monkeypatch.setattr(saving, "code_digest", lambda: "another")
    with pytest.raises(ConfigError, match=f"stopped after batch 2, and the code has changed since .digest {before}"):
        went_on(state, spec)
    assert went_on(state, spec, changed_code=True) == (state, {"resumed_with_other_code": before}, [])


def test_a_state_of_another_machine_is_gone_on_with_and_noted(state, spec, monkeypatch):
    before = machine_digest(spec.experiment)
    monkeypatch.setattr(saving, "machine_digest", lambda experiment: "another")
    folder, tags, told = went_on(state, spec)
    assert (folder, tags) == (state, {"resumed_on_other_machine": before})
    assert "last digits may differ" in told[0]


def spoil(state, what):
    if what == "description":
        (state / "state.json").write_text("{")
    else:
        tensors = state / "tensors.safetensors"
        tensors.write_bytes(tensors.read_bytes()[:-4096] + bytes(4096))


@pytest.mark.parametrize("what", ["description", "tensors"])
@pytest.mark.parametrize("aside", [False, True])  # its process died between two renames
def test_a_damaged_state_is_told_and_the_run_starts_anew(state, spec, what, aside):
    spoil(state, what)
    if aside:
        state.rename(state.with_name(".state.before"))
    folder, tags, told = went_on(state, spec)
    assert (folder, tags, list(state.parent.glob("*"))) == (None, {}, [])
    assert "is damaged" in told[0]


def test_a_state_of_another_run_is_not_used(state, spec):
    other = RunSpec.of(spec.experiment, "bolt", 2)
    assert went_on(state, other) == (None, {}, [])
