"""The yardstick of the benchmarks: RD++ as the released code goes about it, written plainly and anew.

It is honest about what that procedure does and no slower than it need be otherwise: the teacher runs with gradients
and with its unused layer4, clean and noisy images one after the other; transport is geomloss's, stage by stage, with
the released arguments; every sample is decoded, resized and given its noise each time it is drawn; evaluation goes
image by image; PRO counts regions threshold by threshold; AUROC sorts by scikit-learn. Bottleneck, student and
projection are this package's modules, which compute what the released ones do. Nothing in rdpp uses this file.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from geomloss import SamplesLoss
from PIL import Image
from scipy import ndimage
from sklearn.metrics import auc, roc_auc_score
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


class PlainTraining:
    """One run's networks and its step."""

    def __init__(self, name: str, *, seed: int = 0, accumulate: int = 2) -> None:
        torch.manual_seed(seed)
        self.teacher, self.network = PlainTeacher(name), Network(ARCHITECTURES[name])
        self.network.initialise(torch.Generator().manual_seed(seed))
        self.accumulate = accumulate
        betas = (0.5, 0.999)
        self.optimizers = [
            torch.optim.Adam(self.network.projection_parameters(), lr=1e-3, betas=betas),
            torch.optim.Adam(self.network.restoration_parameters(), lr=5e-3, betas=betas),
        ]
        self.transport = SamplesLoss("sinkhorn", p=2, blur=0.05, scaling=0.95, diameter=1e7)
        self._batches = 0

    def step(self, clean: Tensor, noisy: Tensor) -> float:
        """One batch of normalised images (B, 3, H, W), forward and backward, with an update every second time."""
        self.network.train()
        assert self.network.projection is not None
        teacher, teacher_noisy = self.teacher(clean), self.teacher(noisy)
        projected_noisy, projected = self.network.projection(teacher_noisy), self.network.projection(teacher)
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
        total = torch.zeros(())
        for noisy, clean, teacher in zip(projected_noisy, projected, teacher_noisy, strict=True):
            cloud = clean.flatten(1).softmax(-1)
            transport = self.transport(cloud, cloud[order])
            reconstruction = (1 - cosine_similarity(noisy, clean)).mean()
            apart = -torch.ones(len(clean))
            contrast = cosine_embedding_loss(teacher.flatten(1), clean.flatten(1), apart, margin=0.5)
            total = total + (transport + 0.01 * reconstruction + 0.1 * contrast) / 1.11
        return total

    @torch.no_grad()
    def anomaly_map(self, image: Tensor, *, sigma: float = 4.0) -> np.ndarray:
        """(H, W) of one normalised image (1, 3, H, W)."""
        self.network.eval()
        features = self.network(self.teacher(image))
        total = np.zeros(image.shape[2:], np.float32)
        for teacher, student in zip(features.teacher, features.student, strict=True):
            distance = 1 - cosine_similarity(teacher, student)
            total += interpolate(distance[None], size=image.shape[2:], mode="bilinear", align_corners=True)[
                0, 0
            ].numpy()
        return ndimage.gaussian_filter(total, sigma=sigma)


def _distillation(teacher: Sequence[Tensor], student: Sequence[Tensor]) -> Tensor:
    total = torch.zeros(())
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
    return _normalised(image), _normalised(noisy)


def field(seed: int) -> np.ndarray:
    """The table of one simplex field."""
    return permutation(seed)


def _normalised(image: Tensor) -> Tensor:
    return (image - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)


def metrics(maps: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """image AUROC, pixel AUROC and the mean of PRO over the defective images; labels are the masks' maxima."""
    labels = masks.any((1, 2))
    pros = [_pro(one, mask) for one, mask in zip(maps, masks, strict=True) if mask.any()]
    return {
        "image_auroc": float(roc_auc_score(labels, maps.max((1, 2)))),
        "pixel_auroc": float(roc_auc_score(masks.ravel(), maps.ravel())),
        "pixel_aupro_per_image": float(np.mean(pros)),
    }


def _pro(one: np.ndarray, mask: np.ndarray, steps: int = 200) -> float:
    """The released code finds the regions anew at each threshold."""
    regions = np.empty(mask.shape, np.int32)
    low, high = one.min(), one.max()
    pro, fpr = [], []
    for threshold in np.arange(low, high, (high - low) / steps):
        found = one > threshold
        ndimage.label(mask, structure=np.ones((3, 3)), output=regions)
        places = [np.nonzero(regions == number) for number in range(1, regions.max() + 1)]
        pro.append(np.mean([found[place].sum() / len(place[0]) for place in places]))
        fpr.append((~mask & found).sum() / (~mask).sum())
    kept = np.array(fpr) < 0.3
    rates = np.array(fpr)[kept]
    return float(auc(rates / rates.max(), np.array(pro)[kept]))
