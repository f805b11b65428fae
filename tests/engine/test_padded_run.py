"""A run with `data.fit: pad`: what is padding is judged nowhere."""

from pathlib import Path

import numpy as np
from PIL import Image

from rdpp.data import hold_out, load_test, load_train
from rdpp.engine import grid, train
from rdpp.metrics import evaluate
from rdpp.tracking.artifacts.figures import Scale, colour


def test_padding_is_no_part_of_maps_scores_metrics_and_held_out_defects(held_out, tmp_path):
    for path in Path(held_out.data.root, "bolt").rglob("*.png"):
        flat = tmp_path / "data" / path.relative_to(held_out.data.root)
        flat.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).resize((64, 24), Image.Resampling.NEAREST).save(flat)
    changes = {"data.root": str(tmp_path / "data"), "data.cache": str(tmp_path / "cache"), "data.fit": "pad"}
    (spec,) = grid(held_out.with_overrides({**changes, "training.epochs": 1}))
    data = spec.experiment.data

    whole = load_train(spec.category, data.size, Path(data.cache), data.reading)
    assert whole.boxes == ((20, 0, 24, 64),) * len(whole)
    kept, held = hold_out(whole, 0.2)
    assert len(kept.boxes) == len(kept)
    assert len(held.boxes) == len(held)
    assert held.masks.any()
    assert not (held.masks & held.padding).any()
    np.testing.assert_array_equal(held.images[:, :, 0], held.images[:, :, 20])  # the border, defects and all

    result = train(spec)
    for evaluation in (result.evaluation, result.held_out):
        maps, padding = evaluation.prediction.anomaly_maps, evaluation.split.padding
        assert padding[:, :20].all()
        assert not padding[:, 20:44].any()
        assert np.isneginf(maps[padding]).all()
        assert np.isfinite(maps[~padding]).all()
        np.testing.assert_array_equal(evaluation.prediction.image_scores, maps[:, 20:44].max((1, 2)))
        split = evaluation.split
        scores = evaluation.prediction.image_scores
        alone = evaluate(maps[:, 20:44], split.masks[:, 20:44], scores, split.labels, split.defect_types)
        np.testing.assert_equal(dict(evaluation.metrics), alone)
    prediction = result.evaluation.prediction
    scale = Scale.of_maps(prediction.anomaly_maps, prediction.image_scores, result.evaluation.split.labels)
    assert np.isfinite([scale.low, scale.high]).all()
    picture = colour(result.evaluation.prediction.anomaly_maps[0], scale)
    assert (picture[:20] == 128).all()
    test = load_test(spec.category, data.size, Path(data.cache))
    assert test.boxes is None
    assert not test.padding.any()
