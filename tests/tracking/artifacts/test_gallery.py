"""The page of a run's heatmaps."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from rdpp.tracking.artifacts.figures import Scale, heatmap
from rdpp.tracking.artifacts.gallery import Frame, frame_of, gallery_page, read_gallery


def drawn(epoch, side=32):
    pixels = np.full((side, side, 3), 127, np.uint8)
    mask = np.zeros((side, side), bool)
    mask[:8, :8] = True
    shown = {"pixels": pixels, "mask": mask, "anomaly_map": mask.astype(np.float32), "epoch": epoch}
    return heatmap(**shown, score=1.0, title="hole/000.png", defective=True, scale=Scale(0.0, 1.0, 0.5))


def frame(key, epoch, image=None, title="hole/000.png"):
    return Frame(key, title, epoch, f"found {epoch}", "colours", f"map {epoch}", image)


def decoded(uri):
    start, _, data = uri.partition("base64,")
    assert start == "data:image/webp;"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_pictures_are_in_order_and_their_frames_rise_with_the_epochs():
    first, second = "held_out_miss/1_a", "hit/1_b"
    frames = [frame(first, 3), frame(first, 1, "image"), frame(second, 2, "other")]
    data = read_gallery(gallery_page(frames, "bolt, seed 1", 2))
    assert (data["about"], data["chosen"]) == ("bolt, seed 1", 2)
    miss, hit = data["pictures"]
    assert (miss["kind"], miss["held_out"], miss["image"]) == ("miss", True, "image")
    assert (hit["kind"], hit["held_out"], hit["image"]) == ("hit", False, "other")
    assert [(shown["epoch"], shown["map"], shown["found"]) for shown in miss["frames"]] == [
        (1, "map 1", "found 1"),
        (3, "map 3", "found 3"),
    ]


def test_records_of_an_earlier_version_do_not_tell_the_chosen_epoch():
    assert read_gallery(gallery_page([frame("miss/1_a", 1), frame("miss/1_a", 5)], "", None))["chosen"] == 5


@pytest.mark.parametrize("title", ["</script><script>bad()</script>", "<b>&amp;", "\udce9 划痕"])
def test_names_from_users_do_no_harm(title):
    page = gallery_page([frame("miss/1_a", 1, title=title)], title, 1)
    assert "<script>bad" not in page
    assert page.encode()
    assert read_gallery(page)["pictures"][0]["title"] == title.replace("\udce9", "\\xe9")


def test_it_fetches_nothing():
    page = gallery_page([frame("miss/1_a", 1)], "bolt", 1)
    assert "http" not in page
    assert "src=" not in page


def test_pictures_are_small_and_show_what_was_drawn():
    both = frame_of(drawn(2, side=300), "miss/1_a", np.full((300, 300, 3), 90, np.uint8))
    image, heat = decoded(both.image), decoded(both.map)
    assert image.shape == heat.shape == (256, 256, 3)
    assert abs(int(image.mean()) - 90) < 4
    assert heat[2, 2].sum() > heat[200, 200].sum() + 300
    assert len(both.map) < 3000
    assert frame_of(drawn(2), "miss/1_a", None).image is None
    assert json.dumps(both.found)
    assert "MISSED" not in both.found
