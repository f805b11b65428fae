import pytest
import yaml
from tracked import tracked_ablation
from variants import VARIANTS

from rdpp.ablation.config import AblationConfig
from rdpp.tracking.store import Store


@pytest.fixture(scope="session")
def write_ablation(held_out, tmp_path_factory):
    """Write an ablation file over the tiny experiment, and give its path."""

    def write(name="small", variants=None, seeds=(1, 2), baseline="rd", **more):
        folder = tmp_path_factory.mktemp("ablation")
        (folder / "base.yaml").write_text(held_out.with_overrides({"evaluation.selection": "official"}).to_yaml())
        settings = {"training.epochs": 1, "heatmaps": 0, "keep": "none", "keep_maps": True, "seeds": list(seeds)}
        data = {"name": name, "experiment": "base.yaml", "set": settings, "baseline": baseline}
        path = folder / "ablation.yaml"
        path.write_text(yaml.safe_dump({**data, "variants": variants or VARIANTS, **more}, sort_keys=False))
        return path

    return write


@pytest.fixture(scope="session")
def small(write_ablation, store_uri):
    """A finished ablation of two variants, one category and two seeds: its configuration, store and run."""
    ablation = AblationConfig.from_yaml(write_ablation())
    store = Store(store_uri)
    return ablation, store, tracked_ablation(ablation, store)
