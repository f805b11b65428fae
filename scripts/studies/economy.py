"""What does an economical study cost, and does it find the same? On the built-in data, with the built-in teacher.

    python scripts/studies/economy.py [--trials 9 --seeds 3 --epochs 10 --patience 3]     (half an hour on 2 cores)

For each study seed two studies of the same trials (drawn at random, so that no trial depends on the ones before):
one trains every run to its end, the other stops runs early (`evaluation.patience`) and gives trials up
(`pruner: halving`). Printed are the training steps of both, the best objective of both on the held-out images, the
objective on the test images of the trial that each would pick (both read from the full study, where each trial is
trained to its end), and what the run seeds alone do to a trial's mean. Since halving depends on the order of trials,
the full studies' recordings are then played again in many random orders (recorded_study.py), for several reduction
factors and patiences: the mean share of the steps, and how far the best found stays below the full study's. Stop it
when you like: it goes on from there.
"""

import argparse
import csv
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

import optuna
from matplotlib.figure import Figure
from optuna.trial import TrialState
from recorded_study import Recorded, curve_of, replay
from rich.table import Table

from rdpp.cli import exit_code_of
from rdpp.demo import make_categories
from rdpp.display.console import output_console, percent
from rdpp.engine import RunSpec, resolve
from rdpp.experiment import SELECT_ON_HELD_OUT, ExperimentConfig
from rdpp.runs import Conduct, RunObserver, work
from rdpp.sweep import SweepConfig
from rdpp.sweep.attributes import value_on_test
from rdpp.sweep.config import SamplerConfig
from rdpp.sweep.findings import spread
from rdpp.sweep.halving import HalvingConfig
from rdpp.sweep.job import StudyJob
from rdpp.sweep.judge import spent_steps
from rdpp.sweep.space import FloatRange
from rdpp.sweep.study import open_study, open_study_node, prepare_study, run_study
from rdpp.sweep.way import Way
from rdpp.tracking.tree import MlflowTree

_WEIGHT = FloatRange(0.01, 2.0, log=True)
SPACE = {
    "noise.scale": FloatRange(0.05, 1.0, log=True),
    "losses.ssot.weight": _WEIGHT,
    "losses.reconstruction.weight": _WEIGHT,
    "losses.contrast.weight": _WEIGHT,
    "optimizer.restoration_lr": FloatRange(5e-4, 5e-2, log=True),
}
"""That of sweeps/demo.yaml and the learning rate, without which trials hardly differ."""
KINDS = ("full", "economical")
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
NEVER = HalvingConfig(min_resource=1_000_000)
"""Gives nothing up."""


def sweeps(options: argparse.Namespace, seed: int) -> dict[str, SweepConfig]:
    """Both studies of one seed. Each seed has run seeds of its own."""
    runs = options.run_seeds
    base = ExperimentConfig.from_yaml(Path("experiments/demo.yaml")).with_overrides(
        {
            **SELECT_ON_HELD_OUT,
            "data.root": str(options.out / f"data-{options.size}"),
            "data.categories": options.categories,
            "data.image_size": options.size,
            "training.epochs": options.epochs,
            "evaluation.every": 1,
            "seeds": [1 + seed * runs + run for run in range(runs)],
            "device": "cpu",
            "threads": options.threads,
            "keep": "none",
            "heatmaps": 0,
        }
    )
    patient = base.with_overrides({"evaluation.patience": options.patience})
    return {
        kind: SweepConfig(
            f"{kind}-{seed}",
            resolve(experiment),
            SPACE,
            options.trials,
            sampler=SamplerConfig("random", seed),
            pruner="halving",
            halving=halving,
        )
        for kind, experiment, halving in zip(KINDS, (base, patient), (NEVER, HalvingConfig()), strict=True)
    }


def curve(study: optuna.Study) -> list[tuple[int, float]]:
    """Steps spent and the best objective found with them, after each trial."""
    points, spent, best = [], 0, float("nan")
    for trial in study.get_trials(deepcopy=False, states=DONE):
        spent += trial.user_attrs["steps"]
        if trial.state == TrialState.COMPLETE and trial.value is not None and not trial.value <= best:
            best = trial.value
        points.append((spent, best))
    return points


def row(sweep: SweepConfig, full: optuna.Study, economical: optuna.Study) -> list[str]:
    """One study seed's line of the table."""
    trials, others = (study.get_trials(states=DONE) for study in (full, economical))
    if [t.params for t in trials] != [t.params for t in others]:
        raise SystemExit("the two studies have different trials: nothing to compare; take another --out")
    picks = full.best_trial, trials[[t.number for t in others].index(economical.best_trial.number)]
    steps = spent_steps(trials), spent_steps(others)
    return [
        *(f"{n:,}" for n in steps),
        f"{100 * steps[1] / steps[0]:.0f} %",
        *(percent(study.best_value) for study in (full, economical)),
        *(str(pick.number) for pick in picks),
        percent(picks[1].value),
        *(percent(value_on_test(pick, sweep.objective)) for pick in picks),
        percent(spread(sweep, full).chance.deviation),
    ]


class NoNotices:
    """Nobody looks at trials."""

    def begun(self, number: int) -> None:
        """See `Notices.begun`."""

    def ended(self, number: int, runs_left: int) -> None:
        """See `Notices.ended`."""

    def of_run(self, number: int) -> RunObserver:
        """See `Notices.of_run`."""
        return lambda event: None


def studied(sweep: SweepConfig, storage: str, tree: MlflowTree) -> optuna.Study:
    """The study at its end."""
    points = open_study(sweep, storage, tree.work)
    prepare_study(sweep, [], print)
    node = open_study_node(sweep, points, tree)
    job = StudyJob(sweep, points, tree, node, "halving", sweep.experiment, NoNotices())
    run_study(job, lambda: work(job, tree, [], Conduct()))
    return points.study


def recorded(sweep: SweepConfig, full: optuna.Study, tree: MlflowTree) -> list[Recorded]:
    """The full study's trials."""

    def curve(spec: RunSpec) -> list[float]:
        found = tree.find(spec)
        assert found is not None, "the study is done"
        evaluations = [metrics for _, metrics in tree.evaluations(found)]
        return curve_of(evaluations, spec.experiment.evaluation, sweep.objective)

    trials = full.get_trials(states=DONE)
    return [Recorded.of(trial, [curve(s) for s in Way.specs_of(sweep.experiment, trial.params)]) for trial in trials]


def check_replay(trials: Sequence[Recorded], economical: optuna.Study, patience: int) -> None:
    """What is played again must be what was trained."""
    steps, best = replay(trials, patience, HalvingConfig())
    if steps != spent_steps(economical.get_trials(deepcopy=False)) or abs(best - economical.best_value) > 1e-9:
        raise SystemExit(f"the replay of {economical.study_name} gives {steps} steps and {best}, training did not")


def orders_table(studies: Sequence[Sequence[Recorded]], orders: int) -> Table:
    """The price of economy over random orders of the trials, for several settings."""
    table = Table("factor", "patience", "share of steps", "best lost", "deviation", title=f"{orders} orders a study")
    for factor in (2, 3, 4):
        for patience in (2, 3, 4, 10_000):
            shares, lost = [], []
            for trials in studies:
                full, best = sum(t.steps for t in trials), max(float(t.curves[:, -1].mean()) for t in trials)
                rng = random.Random(0)
                for _ in range(orders):
                    steps, found = replay(rng.sample(trials, len(trials)), patience, HalvingConfig(None, factor))
                    shares.append(steps / full)
                    lost.append(best - found)
            waits = str(patience) if patience < 10_000 else "none"
            table.add_row(
                str(factor), waits, f"{100 * fmean(shares):.0f} %", percent(fmean(lost)), percent(stdev(lost))
            )
    return table


def write_curves(curves: dict[tuple[str, int], list[tuple[int, float]]], folder: Path) -> None:
    """curves.csv and curves.png: the best value found against the steps spent."""
    with (folder / "curves.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["study", "seed", "steps", "best_objective"])
        writer.writerows([kind, seed, *point] for (kind, seed), points in curves.items() for point in points)
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for (kind, seed), points in curves.items():
        steps, values = zip(*points, strict=True)
        label, line = f"{kind}, study seed {seed}", "-" if kind == "economical" else ":"
        axes.step(steps, values, where="post", label=label, color=f"C{seed}", linestyle=line)
    axes.set(xlabel="training steps spent", ylabel="best objective found (held-out images)")
    axes.legend(fontsize="small")
    figure.savefig(folder / "curves.png", dpi=150)


def main(options: argparse.Namespace) -> None:
    """Run both studies of every seed and print the table."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    make_categories(options.out / f"data-{options.size}", categories=options.categories, size=options.size)
    storage = f"sqlite:///{(options.out / 'optuna.db').absolute()}"
    console, curves, recordings = output_console(), {}, []
    heads = ("steps\nfull", "econ.", "share", "best\nfull", "econ.", "pick\nfull", "econ.", "econ. pick\nin full")
    table = Table(*("seed", *heads, "on test\nfull", "econ.", "seed\nnoise"), title="objectives in per cent")
    with MlflowTree(f"sqlite:///{(options.out / 'mlflow.db').absolute()}") as tree:
        for seed in range(options.seeds):
            both, studies = sweeps(options, seed), []
            for kind, sweep in both.items():
                studies.append(studied(sweep, storage, tree))
                curves[kind, seed] = curve(studies[-1])
                spent, best = curves[kind, seed][-1]
                console.print(f"study seed {seed}, {kind}: {spent:,} steps, best objective {percent(best)}")
            table.add_row(str(seed), *row(both["full"], *studies))
            recordings.append(recorded(both["full"], studies[0], tree))
            check_replay(recordings[-1], studies[1], options.patience)
    write_curves(curves, options.out)
    console.print(table)
    console.print(orders_table(recordings, options.orders))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers: dict[str, int | None] = {"trials": 9, "seeds": 3, "epochs": 10, "patience": 3, "run-seeds": 2, "size": 64}
    numbers |= {"orders": 100, "threads": None}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N")
    parser.add_argument("--categories", type=lambda text: text.split(","), default=["weave", "bolt"])
    parser.add_argument("--out", type=Path, default=Path("runs/economy"), metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: main(_options())))
