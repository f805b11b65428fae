import numpy as np

from rdpp.tracking.artifacts.figures import Scale, best_threshold, colour, heatmap, hottest_spot, interesting, verdict


def test_the_threshold_has_the_best_f1():
    scores = np.array([0.1, 0.4, 0.35, 0.8])
    labels = np.array([False, False, True, True])
    assert best_threshold(scores, labels) == 0.35
    assert best_threshold(scores, np.zeros(4, bool)) == float("inf")


def test_interesting_images_are_the_lowest_defective_the_highest_good_and_middling_ones():
    scores = np.array([0.9, 0.1, 0.5, 0.3, 0.7, 0.2])
    labels = np.array([True, True, True, True, False, False])
    assert interesting(scores, labels, 1) == {"miss": [1], "false_alarm": [4], "hit": [3]}


def test_no_image_is_both_a_miss_and_a_hit_even_where_few_are_defective():
    scores, labels = np.array([0.9, 0.1, 0.5]), np.array([True, True, False])
    found = interesting(scores, labels, 3)
    assert found == {"miss": [1, 0], "false_alarm": [2], "hit": []}


def test_one_scale_colours_equal_values_equally():
    scale = Scale(1.0, 2.0, 1.5)
    low, middle, high = colour(np.array([[0.0, 1.0], [1.5, 1.5], [2.0, 9.0]]), scale)
    assert (low[0] == low[1]).all()
    assert (middle[0] == middle[1]).all()
    assert (high[0] == high[1]).all()
    assert not (low[0] == high[0]).all()


def test_the_scale_runs_from_the_background_to_the_highest_values():
    maps = np.concatenate([np.full((1, 10, 10), 0.2), np.full((1, 10, 10), 0.8)]).astype(np.float32)
    scale = Scale.of_maps(maps, np.array([0.2, 0.8]), np.array([False, True]))
    assert 0.2 <= scale.low <= 0.8
    assert np.isclose(scale.high, 0.8)
    assert np.isclose(scale.threshold, 0.8)


def test_a_heatmap_shows_image_mask_map_and_overlay():
    mask = np.zeros((256, 256), bool)
    mask[100:120, 100:120] = True
    drawn = heatmap(
        pixels=np.full((256, 256, 3), 127, np.uint8),
        mask=mask,
        anomaly_map=mask.astype(np.float32),
        score=1.0,
        title="hole/000.png",
        defective=True,
        epoch=3,
        scale=Scale(0.0, 1.0, 0.5),
    )
    picture = np.asarray(drawn.grid())
    above, below = picture[-518:-262], picture[-256:]
    right = 262
    assert (above[110, 110] == 127).all()  # the image
    assert (above[110, right + 110] == 255).all()  # the mask
    assert (above[10, right + 10] == 0).all()
    assert below[110, 110].sum() > below[10, 10].sum()  # the map
    assert (below[99, right + 110] == (0, 255, 120)).all()  # the mask's outline on the overlay
    assert (picture[:40] == 0).any()  # the caption


def test_found_goes_by_the_score_and_the_hottest_spot_is_told_apart():
    scale, mask = Scale(0.0, 1.0, 0.5), np.zeros((8, 8), bool)
    mask[2:4, 2:4] = True
    elsewhere = np.zeros((8, 8), np.float32)
    elsewhere[7, 7] = 0.9
    assert verdict(True, 0.9, scale) == "found"
    assert hottest_spot(elsewhere, mask) == "hottest spot OUTSIDE the mask"
    assert hottest_spot(elsewhere[::-1, ::-1].copy(), mask[::-1, ::-1]) == "hottest spot OUTSIDE the mask"
    assert hottest_spot(mask * np.float32(0.2), mask) == "hottest spot in the mask"
    assert [verdict(d, s, scale) for d, s in ((True, 0.4), (False, 0.6), (False, 0.4))] == [
        "MISSED",
        "FALSE ALARM",
        "passed",
    ]
