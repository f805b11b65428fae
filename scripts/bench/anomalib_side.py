"""A benchmark's third side: anomalib 2, in an environment of its own that need not have rdpp (see worker in bench.py).

Weights are drawn: time does not depend on them. What is timed is a model's own forward, in torch.
"""

# pyright: reportMissingImports=false
import math
from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import torch
from anomalib.models.image.cfa import torch_model as cfa_model
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from anomalib.models.image.reverse_distillation.anomaly_map import AnomalyMapGenerationMode
from anomalib.models.image.reverse_distillation.loss import ReverseDistillationLoss
from anomalib.models.image.reverse_distillation.torch_model import ReverseDistillationModel
from inputs import SIZE, draw_images, draw_pixels
from serve import Work, arithmetic, nothing
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn
from torchvision.models import get_model
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.transforms.functional import normalize


def step(name: str) -> Work:
    """A training step of reverse distillation (no projection, no noise)."""
    model, loss, (images, _) = reverse_distillation(name).train(), ReverseDistillationLoss(), draw_images()
    parameters = [*model.decoder.parameters(), *model.bottleneck.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.005, betas=(0.5, 0.99))

    def one() -> None:
        optimizer.zero_grad()
        value = loss(*model(images))
        value.backward()
        optimizer.step()
        value.item()

    return one, nothing


def inference(name: str, method: str, *arguments: str) -> Work:
    """From the bytes of one image to map and score; `arguments`: of the method, see METHODS."""
    model, pixels = METHODS[method](name, *arguments).eval(), draw_pixels(1)

    def judge() -> list[float]:
        images = normalize(pixels.float() / 255, list(IMAGENET_DEFAULT_MEAN), list(IMAGENET_DEFAULT_STD))
        with torch.inference_mode():
            found = model(images)
        found.anomaly_map.numpy()
        return found.pred_score.flatten().tolist()

    def tell() -> dict[str, Any]:
        assert all(map(math.isfinite, judge())), "the drawn weights gave no number"
        bank = getattr(model, "memory_bank", torch.empty(0))
        versions = {package: version(package) for package in ("anomalib", "torch")}
        return {"bank": list(bank.shape), **arithmetic(judge), **versions}

    return judge, tell


def reverse_distillation(name: str) -> ReverseDistillationModel:
    """Maps are added, as the released code of RD does."""
    return ReverseDistillationModel(
        backbone=name,
        input_size=(SIZE, SIZE),
        layers=("layer1", "layer2", "layer3"),
        anomaly_map_mode=AnomalyMapGenerationMode.ADD,
        pre_trained=False,
    )


def patchcore(name: str, patches: str) -> PatchcoreModel:
    """Every patch of an image is compared with each of so many `patches` of the memory bank.

    The bank is drawn, since the greedy choice of a coreset from 200,000 patches takes minutes: the search is
    exhaustive, so its time depends on the bank's size alone.
    """
    model = PatchcoreModel(layers=("layer2", "layer3"), backbone=name, pre_trained=False)
    channels = model.train()(draw_images()[0][:1]).shape[1]
    model.embedding_store.clear()
    model.memory_bank = torch.randn(int(patches), channels, generator=torch.Generator().manual_seed(0))
    return model


def cfa(name: str) -> cfa_model.CfaModel:
    """anomalib's defaults: a centre for each position of stage 1. Its loader knows no other weights than ImageNet's."""

    def drawn(backbone: str, return_nodes: list[str]) -> nn.Module:
        return create_feature_extractor(get_model(backbone, weights=None), return_nodes).eval()

    cfa_model.get_feature_extractor = drawn
    model = cfa_model.CfaModel(
        backbone=name, gamma_c=1, gamma_d=1, num_nearest_neighbors=3, num_hard_negative_features=3, radius=1e-5
    )
    model.initialize_centroid([SimpleNamespace(image=draw_images()[0][:2])])
    return model


METHODS: dict[str, Callable[..., nn.Module]] = {"rd": reverse_distillation, "patchcore": patchcore, "cfa": cfa}
WORK: dict[str, Callable[..., Work]] = {"step": step, "inference": inference}
