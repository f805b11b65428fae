"""The frozen teacher: which network, which weights, and where they come from."""

import importlib.resources
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torch.nn import init

from rdpp.config import ConfigError
from rdpp.kernels.incremental import stages_near
from rdpp.models.backbone import ARCHITECTURES, Backbone
from rdpp.models.blocks import BasicBlock, Bottleneck
from rdpp.models.folding import fold_batch_norms
from rdpp.models.weights import fingerprint, load_exactly, read_tensors
from rdpp.types import Stages

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TeacherConfig:
    """These keys say which network is the teacher, and where its weights come from."""

    name: Literal["builtin", "resnet18", "resnet34", "resnet50", "resnet101", "wide_resnet50_2", "wide_resnet101_2"] = (
        "builtin"
    )
    """Which network. `builtin` is small and comes with rdpp, for demonstrations; the others are torchvision's."""
    weights: str = "default"
    """`default`: the shipped file, or torchvision's IMAGENET1K_V1 (downloaded once); `random`: drawn from the
    run's seed, for comparisons; else the path of a .safetensors or .pth state dict."""


class Teacher(nn.Module):
    """Images (B, 3, H, W) in [0, 1] to three stages, without gradients and in eval mode always."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)
        self.requires_grad_(False)
        self.fingerprint = fingerprint(backbone.state_dict())
        fold_batch_norms(backbone.eval())
        self.eval()

    def train(self, mode: bool = True) -> "Teacher":
        """Stay in eval mode: the teacher's BatchNorm statistics are part of its weights."""
        return super().train(False)

    def forward(self, images: Tensor) -> Stages:
        with without_gradients():
            return self.backbone(self._normalised(images))

    @torch.no_grad()
    def near(self, images: Tensor, changed: Tensor, known: Stages) -> Stages:
        """The same for images that differ from others, whose stages are known, inside a mask only; see `stages_near`.

        On a GPU everything is computed anew, because finding the changed place would wait for the GPU.

        Args:
            images: (B, 3, H, W) in [0, 1].
            changed: (B, 1, H, W) bool, True where they differ.
            known: the others' stages.
        """
        if images.is_cuda:
            return self(images)
        blocks = (BasicBlock, Bottleneck)
        return stages_near(self.backbone.parts(), self._normalised(images), changed, known, blocks)

    def _normalised(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


def without_gradients() -> AbstractContextManager:
    """torch.no_grad; during export an empty context, because an exported program cannot be saved with no_grad in it."""
    return nullcontext() if torch.compiler.is_exporting() else torch.no_grad()


def load_teacher(config: TeacherConfig, seed: int = 0) -> Teacher:
    """The teacher a configuration asks for, on the CPU.

    Raises:
        ConfigError: weights that cannot be had or do not fit. Random ones are used only when asked for.
    """
    return Teacher(teacher_backbone(config, seed))


def teacher_backbone(config: TeacherConfig, seed: int = 0) -> Backbone:
    """The network of such a teacher, with the weights as they lie in its file: no BatchNorm is folded.

    Raises:
        ConfigError: see `load_teacher`.
    """
    backbone = Backbone(ARCHITECTURES[config.name])
    if config.weights == "random":
        _randomise(backbone, torch.Generator().manual_seed(seed))
    elif config.weights == "default" and config.name == "builtin":
        with importlib.resources.as_file(importlib.resources.files("rdpp.models")) as folder:
            path = folder / "builtin_teacher.safetensors"
            load_exactly(backbone, read_tensors(path), path.name)
    elif config.weights == "default":
        load_exactly(backbone, _download(config.name), config.name, ignore=("layer4.", "fc."))
    else:
        path = Path(config.weights).expanduser()
        load_exactly(backbone, read_tensors(path), str(path), ignore=("layer4.", "fc."))
    return backbone


def _download(name: str) -> dict[str, Tensor]:
    """torchvision's IMAGENET1K_V1 (DEFAULT is V2, another teacher), its hash checked, kept in torch's hub folder."""
    import torchvision  # takes longer than torch itself, and is needed for this alone

    weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (URLError, OSError, RuntimeError) as error:
        raise ConfigError(
            f"the weights of {name} could not be downloaded from {weights.url} ({error}); "
            "download them elsewhere and set teacher.weights to the file's path"
        ) from None


def _randomise(backbone: Backbone, generator: torch.Generator) -> None:
    """torchvision's own initialisation of a ResNet, from a generator."""
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
