import optuna
import pytest

from rdpp.config import decode
from rdpp.sweep.space import Choice, FloatRange, IntRange, base_point, check_space, suggest

RANGES = {
    "noise.scale": {"kind": "float", "low": 0.1, "high": 1.0, "log": True},
    "noise.octaves": {"kind": "int", "low": 1, "high": 8},
    "noise.field": {"kind": "choice", "choices": ["run", "sample"]},
}


@pytest.fixture
def space():
    from rdpp.sweep.config import SweepConfig

    hint = SweepConfig.__annotations__["space"]
    return decode(hint, RANGES)


def test_ranges_decode_by_their_kind(space):
    assert [type(d) for d in space.values()] == [FloatRange, IntRange, Choice]


def test_a_point_holds_one_value_a_path(space):
    fixed = {"noise.scale": 0.3, "noise.octaves": 2, "noise.field": "run"}
    assert suggest(space, optuna.trial.FixedTrial(fixed)) == fixed


def test_a_path_that_leads_nowhere_is_refused_before_the_first_trial(tiny):
    with pytest.raises(ValueError, match=r"space.losses.sot.weight: 0.1 does not fit: .*did you mean 'ssot'"):
        check_space({"losses.sot.weight": FloatRange(0.1, 1.0)}, tiny)


def test_a_range_whose_end_the_experiment_refuses_is_refused(tiny):
    with pytest.raises(ValueError, match=r"space.losses.contrast.margin: 2.0 does not fit"):
        check_space({"losses.contrast.margin": FloatRange(0.0, 2.0)}, tiny)
    with pytest.raises(ValueError, match=r"space.noise.field: 'other' does not fit"):
        check_space({"noise.field": Choice(("run", "other"))}, tiny)


def test_an_empty_space_is_refused(tiny):
    with pytest.raises(ValueError, match="must name at least one path"):
        check_space({}, tiny)


def test_the_base_point_is_the_experiments_own_where_it_lies_inside(tiny):
    assert base_point({"noise.scale": FloatRange(0.1, 1.0)}, tiny) == {"noise.scale": 0.2}
    assert base_point({"noise.scale": FloatRange(0.5, 1.0)}, tiny) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FloatRange(1.0, 0.5), "low must be below high"),
        (lambda: IntRange(0, 5, log=True), "must start above 0"),
        (lambda: Choice(()), "at least one value"),
        (lambda: Choice(([1],)), "plain values"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(("low", "high"), [(0.1, float("inf")), (float("-inf"), 1.0), (float("nan"), 1.0)])
def test_a_range_is_finite(low, high):
    with pytest.raises(ValueError, match="low and high must be finite"):
        FloatRange(low, high)


def test_a_path_that_is_no_text_is_refused(tiny):
    with pytest.raises(ValueError, match=r"space.1: 0.1 does not fit: .*unknown key '1'"):
        check_space({1: FloatRange(0.1, 1.0)}, tiny)


@pytest.mark.parametrize(
    ("path", "dimension"),
    [
        ("evaluation.selection", Choice(("official", "held_out"))),
        ("evaluation.hold_out", FloatRange(0.1, 0.5)),
    ],
)
def test_all_trials_are_judged_by_the_same_images(tiny, path, dimension):
    with pytest.raises(ValueError, match=rf"space.{path}: .* changes which images judge a trial"):
        check_space({path: dimension}, tiny)
    check_space({"evaluation.sigma": FloatRange(1.0, 4.0)}, tiny)
