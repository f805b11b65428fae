import io
import re

import pytest
from rich.console import Console

from rdpp.data.check import CategoryCheck
from rdpp.display.check import print_check
from rdpp.display.console import ConsoleObserver, results_table
from rdpp.display.screen import Terminal
from rdpp.engine import ImagesRead, RunSpec, train


def shown(*, terminal: bool) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, force_terminal=terminal, width=160), stream


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_is_reported_in_one_line_and_live_only_in_a_terminal(tiny, terminal):
    console, stream = shown(terminal=terminal)
    with Terminal(1, console) as screen:
        observer = ConsoleObserver(screen)
        observer.prefix = "trial 3 "
        train(RunSpec.of(tiny, "bolt", 1), observers=[observer])
    text = stream.getvalue()
    assert "trial 3 bolt seed 1: epoch 2  image_auroc" in text
    assert ("\x1b[" in text) == terminal


def test_without_a_terminal_there_is_a_line_a_minute_with_the_time_left(monkeypatch):
    console, stream = shown(terminal=False)
    now = [0.0]
    monkeypatch.setattr("rdpp.display.screen.time.monotonic", lambda: now[0])
    screen = Terminal(12, console)
    screen.show(done=2, running="trial 0 bolt seed 1 epoch 1/5", best="best so far: trial 0 with 71.00 %")  # taken over
    for second in range(1, 181):
        now[0] = float(second)
        screen.show(done=2 + second / 90)  # a run takes 90 s
    assert stream.getvalue().splitlines() == [
        f"trial 0 bolt seed 1 epoch 1/5, {done} of 12 runs, elapsed 0:0{minute}:00, left 0:{left}:00, "
        "best so far: trial 0 with 71.00 %"
        for minute, done, left in ((1, "2.7", 14), (2, "3.3", 13), (3, "4.0", 12))
    ]


def test_the_times_of_a_bar_are_named_and_runs_of_workers_are_summed(monkeypatch):
    console, stream = shown(terminal=True)
    now = [0.0]
    monkeypatch.setattr("rdpp.display.screen.time.monotonic", lambda: now[0])
    with Terminal(4, console) as screen:
        now[0] = 30.0
        screen.show_worker(1, done=0.5, running="bolt seed 1")
        screen.show_worker(2, done=0.5, running="bolt seed 2")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert re.search(r"all workers .* 25% elapsed \d:\d\d:\d\d left 0:01:30", plain)


def test_a_study_without_a_known_number_of_runs_says_what_is_done(monkeypatch):
    console, stream = shown(terminal=False)
    now = [0.0]
    monkeypatch.setattr("rdpp.display.screen.time.monotonic", lambda: now[0])
    screen = Terminal(None, console)
    now[0] = 61.0
    screen.show(done=0.5, running="trial 0 bolt seed 1 epoch 1/5")
    assert stream.getvalue() == "trial 0 bolt seed 1 epoch 1/5, 0.5 runs, elapsed 0:01:01\n"


def test_the_table_shows_every_metric_over_all_defects():
    metrics = {"image_auroc": 0.98765, "pixel_aupro": float("nan"), "image_auroc/defect_type/hole": 0.1}
    console, stream = shown(terminal=False)
    console.print(results_table([{"category": "bolt", "seed": None, "epoch": 3, "metrics": metrics}]))
    text = stream.getvalue()
    assert "98.77" in text
    assert "hole" not in text
    assert text.count(" -") >= 2  # no seed, an undefined metric


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ("official", "best epoch chosen on the test set, by the mean of image AUROC, pixel AUROC and PRO per image"),
        ("held_out", "epoch chosen on held-out images, by the mean of image AUROC, pixel AUROC and AU-PRO 0.3"),
        ("last", "last epoch"),
    ],
)
def test_the_heading_says_how_the_epoch_was_chosen(selection, said):
    rows = [{"category": "bolt", "seed": 1, "epoch": 3, "metrics": {"image_auroc": 0.9}}]
    assert results_table(rows, selection).title == f"test set, per cent; {said}"


def test_the_layout_of_the_data_is_told_once():
    text = io.StringIO()
    observer = ConsoleObserver(Terminal(2, Console(file=text, width=200)))
    for category, notes in (("nut", ()), ("bolt", ("no masks: image metrics only",)), ("nail", ("odd",))):
        observer(ImagesRead(category=category, layout="read as BTAD (data.reader: btad)", notes=notes))
    assert text.getvalue().splitlines() == [
        "data: read as BTAD (data.reader: btad)",
        "bolt: no masks: image metrics only",
        "nail: odd",
    ]


def test_a_name_with_brackets_is_shown_as_it_is_where_data_is_checked(capsys):
    print_check([CategoryCheck("M6x20 [zinc]", problems=["no [red] images"])], (64, 64))
    shown = capsys.readouterr().out
    assert "\nM6x20 [zinc]: REFUSED: no [red] images" in shown
    assert " M6x20 [zinc]  " in shown
    assert "\\[" not in shown
