"""The yardstick of the benchmarks: RD++ as the released code goes about it, written plainly and anew.

It is honest about what that procedure does and no slower than it need be otherwise: the teacher runs with gradients
and with its unused layer4, clean and noisy images one after the other; transport is geomloss's, stage by stage, with
the released arguments; every sample is decoded, resized and given its noise each time it is drawn. Bottleneck and
student are this package's modules with torch's own convolutions; the projection is made of torch's instance norm and
LeakyReLU. Its metrics stand in scripts/bench/baseline_metrics.py. Nothing in rdpp uses this file.
"""

import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from geomloss import SamplesLoss
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn
from torch.nn.functional import cosine_embedding_loss, cosine_similarity, interpolate
from torchvision.models import get_model
from torchvision.models.resnet import ResNet

from rdpp.models import ARCHITECTURES, Network
from rdpp.models.teacher import IMAGENET_MEAN, IMAGENET_STD
from rdpp.noise.opensimplex import octave_patch, permutation


class PlainTeacher(nn.Module):
    """torchvision's ResNet up to layer4, in eval mode, with gradients."""

    def __init__(self, name: str) -> None:
        super().__init__()
        net = get_model(name, weights=None).eval()
        assert isinstance(net, ResNet)
        self.resnet = net

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        net = self.resnet
        x = net.maxpool(net.relu(net.bn1(net.conv1(images))))
        first = net.layer1(x)
        second = net.layer2(first)
        third = net.layer3(second)
        net.layer4(third)
        return first, second, third


class PlainProjection(nn.Module):
    """A stack of convolution, instance norm and LeakyReLU for each stage."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.Sequential(*self._layers(c)) for c in channels)

    def forward(self, stages: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(stack(stage) for stack, stage in zip(self.stages, stages, strict=True))

    @staticmethod
    def _layers(c: int) -> list[nn.Module]:
        widths = itertools.pairwise((c, c // 2, c // 4, c // 2, c))
        return [
            layer
            for before, after in widths
            for layer in (nn.Conv2d(before, after, 3, padding=1), nn.InstanceNorm2d(after), nn.LeakyReLU())
        ]


class PlainTraining:
    """One run's networks and its step."""

    def __init__(self, name: str, *, seed: int = 0, accumulate: int = 2, device: str = "cpu") -> None:
        torch.manual_seed(seed)
        architecture = ARCHITECTURES[name]
        self.teacher, self.projection = PlainTeacher(name).to(device), PlainProjection(architecture.channels).to(device)
        self.network = Network(architecture, projection=False)
        self.network.initialise(torch.Generator().manual_seed(seed))
        _use_torchs_convolutions(self.network.to(device))
        self.accumulate = accumulate
        betas = (0.5, 0.999)
        self.optimizers = [
            torch.optim.Adam(self.projection.parameters(), lr=1e-3, betas=betas),
            torch.optim.Adam(self.network.restoration_parameters(), lr=5e-3, betas=betas),
        ]
        self.transport = SamplesLoss("sinkhorn", p=2, blur=0.05, scaling=0.95, diameter=1e7)
        self._batches = 0

    def step(self, clean: Tensor, noisy: Tensor) -> float:
        """One batch of normalised images (B, 3, H, W), forward and backward, with an update every second time."""
        self.network.train()
        teacher, teacher_noisy = self.teacher(clean), self.teacher(noisy)
        projected_noisy, projected = self.projection(teacher_noisy), self.projection(teacher)
        student = self.network.student(self.network.bottleneck(projected))
        loss = _distillation(teacher, student) + 0.2 * self._projection_loss(projected_noisy, projected, teacher_noisy)
        loss.backward()
        self._batches += 1
        if self._batches % self.accumulate == 0:
            for optimizer in self.optimizers:
                optimizer.step()
                optimizer.zero_grad()
        return loss.item()

    def _projection_loss(
        self, projected_noisy: Sequence[Tensor], projected: Sequence[Tensor], teacher_noisy: Sequence[Tensor]
    ) -> Tensor:
        order = torch.randperm(len(projected[0]))
        total = torch.zeros((), device=teacher_noisy[0].device)
        for noisy, clean, teacher in zip(projected_noisy, projected, teacher_noisy, strict=True):
            transport = self.transport(clean.flatten(1).softmax(-1), clean[order].flatten(1).softmax(-1))
            reconstruction = (1 - cosine_similarity(noisy, clean)).mean()
            apart = -torch.ones(len(clean), device=clean.device)
            contrast = cosine_embedding_loss(teacher.flatten(1), clean.flatten(1), apart, margin=0.5)
            total = total + (transport + 0.01 * reconstruction + 0.1 * contrast) / 1.11
        return total

    @torch.no_grad()
    def anomaly_maps(self, images: Tensor, *, sigma: float = 4.0) -> np.ndarray:
        """(B, H, W) of normalised images (B, 3, H, W)."""
        self.network.eval()
        stages, size = self.teacher(images), images.shape[2:]
        restored = self.network.student(self.network.bottleneck(self.projection(stages)))
        total = torch.zeros(len(images), 1, *size)
        for teacher, student in zip(stages, restored, strict=True):
            distance = (1 - cosine_similarity(teacher, student)).unsqueeze(1)
            total += interpolate(distance, size=size, mode="bilinear", align_corners=True)
        return np.stack([ndimage.gaussian_filter(one[0].numpy(), sigma=sigma) for one in total])


def _use_torchs_convolutions(network: Network) -> None:
    for module in network.modules():
        for kind in (nn.Conv2d, nn.ConvTranspose2d):
            if isinstance(module, kind):
                module.forward = partial(kind.forward, module)


def _distillation(teacher: Sequence[Tensor], student: Sequence[Tensor]) -> Tensor:
    total = torch.zeros((), device=teacher[0].device)
    for first, second in zip(teacher, student, strict=True):
        total = total + (1 - cosine_similarity(first.flatten(1), second.flatten(1))).mean()
    return total


def read_sample(path: Path, size: int) -> Tensor:
    """(3, size, size) float in [0, 1]: decoded, and resized as float."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")) / 255.0
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    return interpolate(tensor, size=(size, size), mode="bilinear", align_corners=False)[0].float()


def training_sample(path: Path, size: int, rng: np.random.Generator, table: np.ndarray) -> tuple[Tensor, Tensor]:
    """One drawn sample: the normalised image, and the same with a patch of simplex noise; `table`: the run's field."""
    image = read_sample(path, size)
    height, width = rng.integers(10, size // 8, 2)
    top, left = rng.integers(0, size - height), rng.integers(0, size - width)
    noisy = image.clone()
    patch = octave_patch(table, 3, int(height), int(width), 6, 0.6, 32.0)
    noisy[:, top : top + height, left : left + width] += torch.from_numpy(0.2 * patch)
    return normalised(image), normalised(noisy)


def field(seed: int) -> np.ndarray:
    """The table of one simplex field."""
    return permutation(seed)


def normalised(image: Tensor) -> Tensor:
    return (image - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)
