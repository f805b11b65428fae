"""The page, and metrics anew from stored maps."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from tracked import PLAIN, WEIGHT, tracked_study

from rdpp.cli import main
from rdpp.comparison.map_grid import image_rows
from rdpp.comparison.report import render, write_report
from rdpp.comparison.rescoring import rescore
from rdpp.comparison.search import find_runs
from rdpp.comparison.trials import ranked_trials
from rdpp.config import ConfigError
from rdpp.display.console import percent
from rdpp.sweep.attributes import value_on_test
from rdpp.sweep.config import SamplerConfig, SweepConfig
from rdpp.sweep.space import FloatRange
from rdpp.tracking.artifacts.maps import load_maps
from rdpp.tracking.conventions.tags import DATA_MANIFEST


class Page(HTMLParser):
    """Headings, and everything the page would fetch."""

    def __init__(self, text):
        super().__init__()
        self.headings, self.fetched, self.images, self._in = [], [], 0, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self._in = tag
        for name, value in attributes:
            if name in ("src", "href") and value and not value.startswith("data:"):
                self.fetched.append(value)
        self.images += tag == "img"

    def handle_data(self, data):
        if self._in in ("h1", "h2"):
            self.headings.append(data.strip())
        self._in = None


@pytest.fixture(scope="module")
def page(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "small.html"
    assert write_report("small", path, small[1].uri) == path
    return path.read_text()


def test_the_page_is_complete_and_fetches_nothing(page):
    parsed = Page(page)
    assert parsed.headings == [
        "small",
        "Leaderboard",
        "Differences from the baseline",
        "By category",
        "By defect type",
        "ROC curves and scores",
        "Loss terms",
        "The same image under each variant",
    ]
    assert parsed.fetched == []
    assert parsed.images == 1 + 4 * (1 + 2)  # the figure; 3 defective images and a good one, each and its two maps


def test_what_the_page_says_is_what_was_measured(page, small):
    frame = find_runs(small[1], ["small"]).frame()
    for variant in ("rd", "ot"):
        values = frame[frame.variant == variant].image_auroc
        assert f"{100 * values.mean():.2f} ± {100 * values.std():.2f}" in page
    assert "not enough to tell" in page
    assert "missing_tooth" in page
    assert "ssot" in page


def test_the_page_is_an_artifact_too(page, small):
    _, store, parent = small
    assert "report.html" in {a.path for a in store.client.list_artifacts(parent)}


def test_names_from_users_are_escaped(small):
    _, store, _ = small
    found = find_runs(store, ["small"])
    assert "<script>bad" not in render(store, dataclasses.replace(found, title="<script>bad"))


def test_a_studys_page_has_optunas_figures_and_fetches_nothing(small, held_out, new_storage, tmp_path):
    store = small[1]
    experiment = held_out.with_overrides({**PLAIN, "keep": "none", "seeds": [1]})
    space = {WEIGHT: FloatRange(0.05, 0.5)}
    sweep = SweepConfig("reported", experiment, space, 2, sampler=SamplerConfig(startup_trials=1), pruner="none")
    points, _ = tracked_study(sweep, new_storage(tmp_path / "o.db"), store)
    text = write_report("reported", tmp_path / "study.html", store.uri).read_text()
    assert "The search" in Page(text).headings
    assert len(re.findall(r'class="plotly-graph-div"', text)) == 2  # history and slices; two trials have no importances
    assert "from 2 complete trials" in text
    assert not re.findall(r"<script[^>]+src=", text)
    trials = ranked_trials(store, find_runs(store, ["reported"]).parent)
    assert trials.header[:2] == ("trial", WEIGHT)
    assert trials.header[2].startswith("objective: image_auroc and pixel_aupro, held-out images")
    assert trials.header[3] == "image_auroc and pixel_aupro, test images"
    best_first = sorted(points.all(), key=lambda trial: -trial.value)
    assert [row[0] for row in trials.rows] == [f"trial-{trial.number:03d}" for trial in best_first]
    for row, trial in zip(trials.rows, best_first, strict=True):
        assert row[2:] == (percent(trial.value), percent(value_on_test(trial, sweep.objective)), "complete")
        assert row[0] in text
    assert "no run logged heatmaps, or stored its anomaly maps" in text
    assert "– to –" not in text  # a pair can give no interval


def test_stored_maps_are_what_was_evaluated(small):
    _, store, _ = small
    run = find_runs(store, ["small"]).runs[0]
    stored = load_maps(store, run.run_id)
    assert stored.anomaly_maps.shape == stored.masks.shape == (7, 64, 64)
    assert stored.anomaly_maps.dtype == np.float32
    assert stored.images[0].split("/")[1] == "test"
    np.testing.assert_array_equal(stored.image_scores, stored.anomaly_maps.max((1, 2)))
    found = stored.metrics()
    for name, value in run.metrics.items():
        if not name.startswith("held_out/"):
            assert found[name] == pytest.approx(value, abs=1e-12)


def test_rescoring_adds_what_is_missing_and_tells_what_differs(small, capsys):
    _, store, _ = small
    run = find_runs(store, ["small"]).runs[0]
    (same,), without = rescore(store, [run.run_id])
    assert (same.added, same.changed, without) == ((), {}, 0)
    store.log_metrics(run.run_id, {"test/image_auroc": 0.123})
    (found,), _ = rescore(store, [run.run_id])
    assert found.changed == {"image_auroc": 0.123}
    again = find_runs(store, ["small"]).runs[0]
    assert again.metrics["image_auroc"] == run.metrics["image_auroc"]
    assert main(["rescore", "small", "--tracking-uri", store.uri]) == 0
    assert "4 runs rescored, 0 without maps; new metrics: none; 0 runs had other values" in capsys.readouterr().err


def test_rescoring_without_maps(small, store_uri):
    _, store, _ = small
    bare = store.start_run("bare", tags={"level": "bare"})
    with pytest.raises(ConfigError, match="none of 1 runs has its"):
        rescore(store, [bare])


def test_a_variant_without_a_metric_has_a_dash(small):
    _, store, _ = small
    found = find_runs(store, ["small"])
    runs = tuple(
        dataclasses.replace(run, metrics={k: v for k, v in run.metrics.items() if k != "pixel_aupro"})
        if run.variant == "ot"
        else run
        for run in found.runs
    )
    text = render(store, dataclasses.replace(found, runs=runs))
    by_metric = text[text.index("<h3>pixel_aupro</h3>") :]
    assert re.search(r"<td>ot</td>\s*<td>-</td>", by_metric[: by_metric.index("</table>")])


def test_a_baseline_without_a_finished_run_is_told(small):
    """The runs of the ablation's own baseline failed, or are still to come."""
    _, store, _ = small
    found = dataclasses.replace(find_runs(store, ["small"]), baseline="gone")
    text = render(store, found)
    assert "unknown baseline &#39;gone&#39;" in text
    assert text.count("<td>ot</td>")


@pytest.mark.parametrize(
    ("where", "baseline", "told"),
    [("", None, "is a folder; give another file with --out"), ("a.html", "typo", "unknown baseline 'typo'; choices: ")],
)
def test_what_a_report_cannot_do_is_refused(small, tmp_path, where, baseline, told):
    with pytest.raises(ConfigError, match=told):
        write_report("small", tmp_path / where, small[1].uri, baseline)


def test_trials_are_ranked_by_what_chose_and_not_by_the_test_images(small):
    """The best on the test images is not the best; one that was given up has no value."""
    store = small[1]
    tags = {"level": "study", "study": "ranked", "objective": "image_auroc", "objective_images": "held_out"}
    study = store.start_run("ranked", tags=tags)
    values = [{"objective": 0.6, "image_auroc": 0.9}, {"objective": 0.8, "image_auroc": 0.7}, {}]
    for number, metrics in enumerate(values):
        state = {"state": "complete" if metrics else "pruned", "runs": 2}
        own = {"level": "trial", "trial": number, "root": study, **state}
        run = store.start_run(f"trial-{number:03d}", parent=study, tags=own)
        store.log_params(run, {"noise.scale": 0.123456789 + number, "training.batch_size": 16, "noise.field": "run"})
        store.log_metrics(run, metrics)
    found = ranked_trials(store, study)
    assert found.header == (
        "trial",
        "noise.field",
        "noise.scale",
        "training.batch_size",
        "objective: image_auroc, held-out images",
        "image_auroc, test images",
        "state",
    )
    assert found.rows == (
        ("trial-001", "run", "1.123", "16", "80.00", "70.00", "complete"),
        ("trial-000", "run", "0.1235", "16", "60.00", "90.00", "complete"),
        ("trial-002", "run", "2.123", "16", "-", "-", "pruned after 2 runs"),
    )
    others = find_runs(store, ["small"])
    names = dict(zip(others.variants, ("trial-000", "trial-001"), strict=True))
    runs = tuple(dataclasses.replace(run, variant=names[run.variant]) for run in others.runs)
    changed = {"kind": "study", "parent": study, "baseline": "trial-000", "variants": (*names.values(),), "runs": runs}
    text = render(store, dataclasses.replace(others, **changed))
    by_metric = text[text.index("<h3>image_auroc</h3>") :]
    by_metric = by_metric[: by_metric.index("</table>")]
    assert re.findall(r"<td>(trial-\d+)</td>", by_metric) == ["trial-001", "trial-000"]  # as on the leaderboard


def test_maps_of_other_test_files_are_not_shown_as_these(small, monkeypatch):
    _, store, _ = small
    found = find_runs(store, ["small"])

    def rows(change):
        runs = tuple(change(run) if run.variant == "ot" else run for run in found.runs)
        shown, missing = image_rows(store, dataclasses.replace(found, runs=runs))
        return {name for row in shown for name, *_ in row.maps}, missing

    assert rows(lambda run: run) == ({"rd", "ot"}, [])
    told = "bolt: maps of other test files or of another size than those of rd: ot"
    other = lambda run: dataclasses.replace(run, tags={**run.tags, DATA_MANIFEST: "0"})  # noqa: E731
    assert rows(other) == ({"rd"}, [told])
    whole = load_maps

    def smaller(store, run_id):
        stored = whole(store, run_id)
        half = {"anomaly_maps": stored.anomaly_maps[:, ::2, ::2], "masks": stored.masks[:, ::2, ::2]}
        ours = {run.run_id for run in found.runs if run.variant == "ot"}
        return dataclasses.replace(stored, **half) if run_id in ours else stored

    monkeypatch.setattr("rdpp.comparison.map_grid.load_maps", smaller)
    assert rows(lambda run: run) == ({"rd"}, [told])


def test_pictures_show_the_highest_of_many_variants(small):
    from rdpp.comparison import figures
    from rdpp.comparison.map_grid import MOST_MAPS
    from rdpp.comparison.pairing import compare_runs

    _, store, _ = small
    found = find_runs(store, ["small"])
    own = [run for run in found.runs if run.variant == "ot"]
    names = [f"ot {number:03d}" for number in range(figures.MOST_SHOWN + 5)]
    more = [
        dataclasses.replace(run, variant=name, metrics={k: v - 0.001 * i for k, v in run.metrics.items()})
        for i, name in enumerate(names)
        for run in own
    ]
    many = dataclasses.replace(found, variants=(*found.variants, *names), runs=(*found.runs, *more))
    shown = figures._highest(compare_runs(many).comparisons)
    assert shown == ["ot", *names[: figures.MOST_SHOWN - 1]]
    rows, _ = image_rows(store, many)
    assert [variant for variant, _, _ in rows[0].maps] == ["rd", "ot", *names[: MOST_MAPS - 2]]
