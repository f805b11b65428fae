"""MLflow's UI as a person sees it: what the links of `rdpp ui` open on."""

import re

import pytest

from rdpp.tracking.artifacts.gallery import Frame, gallery_page

pytestmark = pytest.mark.browser

WAIT = 60_000
"""Milliseconds; a busy machine is slow."""
_PIXELS = """image => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const at = x => [...context.getImageData(x, canvas.height / 2, 1, 1).data].slice(0, 3);
    return [at(canvas.width / 4), at(3 * canvas.width / 4)];
}"""


def rows(page, count):
    """The runs' names from top to bottom, once so many are there."""
    links = page.get_by_role("link", name=re.compile(r"^trial \d+"))
    page.wait_for_function(
        "count => [...document.querySelectorAll('a')].filter(a => /^trial \\d+/.test(a.textContent)).length == count",
        arg=count,
        timeout=WAIT,
    )
    found = [(link.bounding_box()["y"], link.inner_text()) for link in links.all()]
    return [name for _, name in sorted(found)]


def columns(page):
    """The heads of the table from left to right; the table draws each at its place, in any order."""
    heads = [head for head in page.get_by_role("columnheader").all() if head.is_visible()]
    found = [(head.bounding_box()["x"], head.inner_text().strip()) for head in heads]
    return list(dict.fromkeys(name for _, name in sorted(found)))


def test_a_study_opens_on_its_trials_the_best_first(page, ui):
    page.goto(ui["seen: trials"])
    assert rows(page, 4) == ["trial 1", "trial 3", "trial 2", "trial 0"]
    heads = columns(page)
    wanted = ["objective", "spread/objective", "losses.distillation.weight", "training.batch_size"]
    wanted += ["held_out/image_auroc", "held_out/pixel_aupro", "test/image_auroc", "test/pixel_aupro", "Duration"]
    assert [head for head in heads if head in wanted] == wanted
    assert "training/chosen_epoch" not in heads


def test_a_click_sorts_the_other_way(page, ui):
    page.goto(ui["seen: trials"])
    before = rows(page, 4)
    page.get_by_role("columnheader").filter(has_text=re.compile("^objective$")).first.click()
    for _ in range(WAIT // 500):
        if rows(page, 4) != before:
            break
        page.wait_for_timeout(500)
    assert rows(page, 4) == ["trial 0", "trial 2", "trial 3", "trial 1"]


def test_its_charts_show_every_swept_value(page, ui):
    page.goto(ui["seen: trials"] + "&compareRunsMode=CHART")
    page.get_by_text("trial vs. objective").first.wait_for(timeout=WAIT)
    for title in ("Parallel Coordinates", "losses.distillation.weight vs. objective"):
        assert page.get_by_text(title).count() >= 1, title


def test_the_figures_need_no_network(page, seen, tmp_path):
    store, study = seen
    file = store.client.download_artifacts(study, "figures.html", str(tmp_path))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{file}")
    page.locator("#history .scatterlayer .point").first.wait_for(timeout=WAIT)
    assert page.locator("#history .scatterlayer .point").count() >= 4
    assert page.locator("#slices .main-svg").count() > 0
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_the_study_says_what_it_came_to(page, ui, seen):
    base, _, _ = ui["all runs"].partition("/runs")
    page.goto(f"{base}/runs/{seen[1]}")
    page.get_by_text("The best is trial 1, with objective 90.00 %").first.wait_for(timeout=WAIT)
    assert page.get_by_role("cell", name="0.01 to 1.0, logarithmic").count() == 1


def colour_of(image):
    """The colour of a picture on the page, by its own pixels."""
    image.evaluate("image => image.decode()")
    return image.evaluate(_PIXELS)[0]


def test_the_worst_miss_over_the_epochs_is_two_clicks_from_the_run(page, ui, gallery):
    base, _, _ = ui["all runs"].partition("/runs")
    page.goto(f"{base}/runs/{gallery}")
    page.get_by_role("tab", name="Artifacts").or_(page.get_by_text("Artifacts", exact=True)).first.click(timeout=WAIT)
    page.get_by_text("anomaly_maps.html", exact=True).first.click(timeout=WAIT)
    frame = page.frame_locator("iframe.mlflow-html-iframe, iframe[sandbox]").first
    frame.locator("figure").wait_for(timeout=WAIT)
    assert frame.locator("#epoch").inner_text() == "epoch 4 of 9, the chosen one"
    assert colour_of(frame.locator("img.map"))[0] > 200  # yellow: of epoch 4
    frame.locator("#slider").press("ArrowLeft")
    assert frame.locator("#epoch").inner_text() == "epoch 1 of 9"
    assert max(colour_of(frame.locator("img.map"))) < 30  # black


def test_the_gallery_moves_by_slider_and_keys_and_needs_no_network(page, seen, gallery, tmp_path):
    file = seen[0].client.download_artifacts(gallery, "anomaly_maps.html", str(tmp_path))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{file}")
    heat, caption = page.locator("img.map"), page.locator("figcaption")
    photograph = colour_of(page.locator("img.image").first)
    assert photograph[0] > 150 > 60 > photograph[1]
    colours = {}
    for place, epoch in enumerate((1, 4, 9)):
        page.locator("#slider").fill(str(place))
        assert f"hole/000.png, epoch {epoch}" in caption.inner_text()
        colours[epoch] = colour_of(heat)
    assert sum(colours[1]) < sum(colours[9]) < sum(colours[4])
    assert "MISSED" in caption.inner_text()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert "epoch 1" in caption.inner_text()
    assert colour_of(heat) == colours[1]
    page.keyboard.press("ArrowRight")
    assert colour_of(page.locator("img.over")) == colour_of(heat) == colours[4]
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_a_gallery_of_one_epoch_has_nothing_to_move(page, tmp_path):
    for name, epochs in (("one", [4]), ("two", [1, 4])):
        frames = [Frame("miss/1_a", "hole/000.png", epoch, "MISSED", "", "", None) for epoch in epochs]
        (tmp_path / name).with_suffix(".html").write_text(gallery_page(frames, "bolt, seed 1", 4))
        page.goto(f"file://{tmp_path}/{name}.html")
        assert page.locator("#slider").is_visible() == page.locator("#keys").is_visible() == (len(epochs) == 2)
        assert page.locator("#epoch").inner_text() == "epoch 4 of 4, the chosen one"


def test_the_report_needs_no_network_and_shows_curves_scores_and_pictures(page, report):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{report}")
    lines = page.locator("svg.roc polyline")
    assert lines.count() == 2
    assert all(line.bounding_box()["width"] > 150 for line in lines.all())
    assert page.locator("svg.histogram").count() == 2
    for kind in ("good", "defective"):
        bars = page.locator(f"rect.{kind}").all()
        assert max(bar.bounding_box()["height"] for bar in bars) > 20, kind
    pictures = page.locator("h2:has-text('The same image') ~ .row img")
    assert pictures.count() == 3  # the image, and the maps of two variants
    left = colour_of(pictures.last)
    assert left[1] > 150 > 60 > left[0]
    sections = page.locator("nav a").all_inner_texts()
    assert sections == page.locator("h2").all_inner_texts()
    page.set_viewport_size({"width": 1200, "height": 400})
    assert page.evaluate("scrollY") == 0
    page.get_by_role("link", name="The same image under each variant").click()
    assert page.evaluate("scrollY") > 0
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
