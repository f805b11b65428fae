"""What a person sees while runs go on: a live line in a terminal, plain lines elsewhere. Everything on stderr."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from rdpp.display.output import results
from rdpp.display.screen import Screen
from rdpp.engine import BatchFinished, EpochFinished, Event, ImagesRead, RunFinished, RunSpec, RunStarted
from rdpp.engine.selection import HELD_OUT_METRICS, OFFICIAL_METRICS
from rdpp.runs import RunFailed, TakenOver

_HEADLINE = ("image_auroc", "pixel_auroc", "pixel_aupro")
_HEADERS = {
    "image_auroc": "image\nAUROC",
    "image_ap": "image\nAP",
    "image_f1_max": "image\nF1-max",
    "pixel_auroc": "pixel\nAUROC",
    "pixel_ap": "pixel\nAP",
    "pixel_aupro": "AU-PRO\n0.3",
    "pixel_aupro_per_image": "PRO per\nimage",
    "pixel_aupimo": "AUPIMO",
}


def _named(metrics: Sequence[str]) -> str:
    words = [_HEADERS[name].replace("\n", " ") for name in metrics]
    return f"{', '.join(words[:-1])} and {words[-1]}"


def output_console() -> Console:
    """Standard output, at least wide enough for the tables where it is no terminal."""
    console = Console(file=results(), markup=False)  # names with brackets are names
    return console if console.is_terminal else Console(file=results(), width=max(console.width, 120), markup=False)


def percent(value: float | None) -> str:
    """A metric as the field prints it: 0.98765 as 98.77; a dash where it is undefined.

    >>> percent(0.98765)
    '98.77'
    """
    return "-" if value is None or value != value else f"{100 * value:.2f}"


def with_unit(value: float | None) -> str:
    """The same in a line of text, where no heading says the unit.

    >>> with_unit(0.98765)
    '98.77 %'
    """
    shown = percent(value)
    return shown if shown == "-" else f"{shown} %"


def short(value: Any) -> str:
    """A swept value as people read it: a number with four digits. MLflow's params and JSON have them all.

    >>> short(0.00123456), short("simplex")
    ('0.001235', 'simplex')
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_CHOICES = {
    "last": "last epoch",
    "official": f"best epoch chosen on the test set, by the mean of {_named(OFFICIAL_METRICS)}",
    "held_out": f"epoch chosen on held-out images, by the mean of {_named(HELD_OUT_METRICS)}",
}


def results_table(rows: Sequence[Mapping[str, Any]], selection: str | None = None) -> Table:
    """Results (category, seed, epoch, metrics) as a table: all defects together, per cent.

    Args:
        rows: the results.
        selection: how the epochs were chosen, see `EvaluationConfig`; None where it is not known.
    """
    known: Mapping[str, float] = next((row["metrics"] for row in rows if row["metrics"]), {})
    names = [name for name in _HEADERS if name in known]
    title = "test set, per cent" + (f"; {_CHOICES[selection]}" if selection else "")
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("category", "seed", "epoch", *(_HEADERS[name] for name in names)):
        table.add_column(column, justify="left" if column == "category" else "right", no_wrap=True)
    for row in rows:
        where = [row["category"], *("-" if row[k] is None else str(row[k]) for k in ("seed", "epoch"))]
        values = [percent(row["metrics"][name]) for name in names] if row["metrics"] else ["FAILED"]
        table.add_row(*where, *values)
    return table


def _headline(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {with_unit(metrics[name])}" for name in _HEADLINE)


class ConsoleObserver:
    """An observer that shows trial, category, epoch, time left and the best so far."""

    def __init__(self, screen: Screen, *, variants: bool = False) -> None:
        """`variants`: whether lines name the run's variant."""
        self.screen, self.variants = screen, variants
        self.prefix = ""
        """Of a run's name."""
        self.best = ""
        self._batch = self._batches = self._epochs = 0
        self._label = self._layout = self._layout_told = ""
        self._warned: set[tuple[str, ...]] = set()
        self._done = 0

    def __call__(self, event: Event | TakenOver | RunFailed) -> None:
        match event:
            case TakenOver():
                self._taken_over(event)
            case RunFailed():
                self._done, self._batch = self._done + 1, 0
                self.line(f"{self._name(event.spec)}: FAILED: {event.failure.reason}")
                self._show()
            case ImagesRead():
                self._layout = event.layout
                if event.notes:
                    self._tell_layout()
                for note in event.notes:
                    self.line(f"{event.category}: {note}")
            case RunStarted():
                self._tell_layout()
                self._label = self._name(event.spec)
                self._batch, self._batches = 0, event.steps
                self._epochs = event.epochs
                self._show(f"{self._label} epoch 1/{event.epochs}")
            case BatchFinished():
                self._batch = event.batch
                self._warn(event)
                self._show()
            case EpochFinished():
                self._show(f"{self._label} epoch {min(event.epoch + 1, self._epochs)}/{self._epochs}")
            case RunFinished():
                self._finished(event)

    def _taken_over(self, event: TakenOver) -> None:
        self._tell_layout()
        self._done += 1
        found = event.finished
        which = f"run {found.run_id} " if found.run_id else ""
        self.line(
            f"{self._name(event.spec)}: epoch {found.epoch}  {_headline(found.metrics)}  (finished before: {which}"
            "is taken over; --again trains it anew)"
        )
        self._show()

    def _finished(self, event: RunFinished) -> None:
        self._done, self._batch = self._done + 1, 0
        result = event.result
        stopped = f", stopped after {result.epochs}" if result.epochs < self._epochs else ""
        values = _headline(result.evaluation.metrics)
        self.line(f"{self._label}: epoch {result.epoch}{stopped}  {values}  ({result.seconds:.0f} s)")

    def _tell_layout(self) -> None:
        """Once, before the first line about its images or runs."""
        if self._layout != self._layout_told:
            self._layout_told = self._layout
            self.line(f"data: {self._layout}")

    def _name(self, spec: RunSpec) -> str:
        variant = f"{spec.experiment.name} " if self.variants else ""
        return f"{self.prefix}{variant}{spec.category.name} seed {spec.seed}"

    def _warn(self, event: BatchFinished) -> None:
        """Once for each set of terms: a run's first inspection tells."""
        dead = tuple(f"losses.{name}" for name, found in (event.inspections or {}).items() if found.dead)
        if dead and dead not in self._warned and event.batch == 1:
            self._warned.add(dead)
            self.line(f"warning: {self._label}: no gradient beyond rounding: {', '.join(dead)} (tag dead_terms)")

    def line(self, text: str) -> None:
        """Print one line above the live display."""
        self.screen.line(text)

    def show_best(self, best: str) -> None:
        """Take another text for what is best so far, and show it."""
        self.best = best
        self._show()

    def _show(self, description: str | None = None) -> None:
        done = self._done + self._batch / max(1, self._batches)
        self.screen.show(done=done, running=description, best=self.best)

    def skip(self, runs: int) -> None:
        """Count runs that will not take place, such as those of a pruned trial."""
        self._done += runs
        self._show()
