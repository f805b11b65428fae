"""Train the built-in teacher: a quarter of ResNet18, which mimics its layers 1-3 on procedural images.

    python scripts/teacher/train_teacher.py --bfloat16                    # downloads torchvision's IMAGENET1K_V1 once
    python scripts/teacher/train_teacher.py --bfloat16 --weights FILE     # a state dict: stem and layers 1-3 at least

5500 steps of 32 crops: 40 minutes on one shared core, 2 GiB of memory (without --bfloat16 some 1.7 times as long).
Progress lines give, for each stage, the share of ResNet18's variance left unexplained on held-out images and
1 - cos along channels. Numbers to expect at the end: unexplained 0.267/0.382/0.439, cosine 0.043/0.133/0.139, no
dead channel. The same command with the same versions gives the same file.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from procedural import make_image
from pruned_start import pruned_start
from safetensors.torch import save_file
from torch import Tensor, nn

from rdpp.cli import exit_code_of
from rdpp.models.backbone import ARCHITECTURES, Backbone
from rdpp.models.teacher import IMAGENET_MEAN, IMAGENET_STD
from rdpp.models.weights import load_exactly

SIDE = 160  # of the images in the pool; crops of --size are cut from them
VALIDATION_IMAGES = 256
REPORT_EVERY = 250
COSINE_WEIGHT = 0.5
"""Anomaly maps are cosines along channels, so the target's direction counts besides its values."""


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    source = load_source(args.weights)
    started = time.time()
    pool = np.stack([make_image(np.random.default_rng([args.seed, i]), SIDE) for i in range(args.pool)])
    held_out = np.stack([make_image(np.random.default_rng([args.seed, 1, i]), SIDE) for i in range(VALIDATION_IMAGES)])
    validation = crops(held_out, np.random.default_rng([args.seed, 2]), VALIDATION_IMAGES, args.size)
    print(f"{args.pool} images in {time.time() - started:.0f} s", flush=True)

    small = Backbone(ARCHITECTURES["builtin"])
    heads = nn.ModuleList(pruned_start(small, source, crops(pool, rng, 256, args.size)))
    task = Task(source, small, heads, spread(source, crops(pool, rng, 256, args.size)), args.bfloat16)
    train(args, task, pool, rng, validation)
    losses, dead = validate(task, validation)
    save(args, small, losses, dead)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Distil the built-in teacher from ResNet18 on procedural images.")
    parser.add_argument("--weights", type=Path, help="torch state dict of ResNet18; default: torchvision's download")
    parser.add_argument("--out", type=Path, default=Path("rdpp/models/builtin_teacher.safetensors"))
    parser.add_argument("--steps", type=int, default=5500)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=112, help="side of the training crops, in pixels")
    parser.add_argument("--pool", type=int, default=3000, help="images made before training")
    parser.add_argument("--fresh", type=int, default=2, help="pool images replaced by new ones each step")
    parser.add_argument("--lr", type=float, default=2e-3, help="peak of the one-cycle schedule")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bfloat16", action="store_true", help="faster on CPUs with AVX512-BF16 or AMX")
    return parser.parse_args()


def load_source(path: Path | None) -> Backbone:
    """ResNet18's stem and layers 1-3, frozen."""
    if path is None:
        weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
        tensors = weights.get_state_dict(check_hash=True, weights_only=True)
    else:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    source = Backbone(ARCHITECTURES["resnet18"])
    load_exactly(source, tensors, str(path or "torchvision's ResNet18"), ignore=("layer4.", "fc."))
    return source.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def crops(pool: np.ndarray, rng: np.random.Generator, count: int, size: int) -> Tensor:
    """Random images of the pool, turned, scaled, mirrored, re-coloured: (count, 3, size, size) normalised."""
    images = torch.from_numpy(pool[rng.permutation(len(pool))[:count]]).permute(0, 3, 1, 2).float() / 255
    angle = np.where(rng.random(count) < 0.5, rng.uniform(0, 2 * np.pi, count), np.pi / 2 * rng.integers(4, size=count))
    scale = np.exp(rng.uniform(np.log(0.5), np.log(1.3), count)) * size / SIDE
    mirror = rng.choice([-1, 1], count)
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    shift = rng.uniform(-1, 1, (2, count)) * np.maximum(0, 1 - scale)
    theta = np.stack([np.stack([cos * mirror, -sin, shift[0]], 1), np.stack([sin * mirror, cos, shift[1]], 1)], 1)
    grid = F.affine_grid(torch.from_numpy(theta.astype(np.float32)), [count, 3, size, size], align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    gain = np.exp(rng.normal(0, 0.15, (count, 1, 1, 1)) + rng.normal(0, 0.07, (count, 3, 1, 1)))
    images = (images * torch.from_numpy(gain.astype(np.float32))).clamp(0, 1)
    grey = torch.from_numpy(rng.random(count) < 0.2).view(-1, 1, 1, 1)
    images = torch.where(grey, images.mean(1, keepdim=True), images)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def spread(source: Backbone, images: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Per stage the channels' (mean, std), each (1, C, 1, 1)."""
    with torch.no_grad():
        return [(f.mean((0, 2, 3), keepdim=True), f.std((0, 2, 3), keepdim=True) + 1e-6) for f in source(images)]


class Task:
    """The two networks, the training-only heads, and the loss between them."""

    def __init__(
        self,
        source: Backbone,
        small: Backbone,
        heads: nn.ModuleList,
        spread: list[tuple[Tensor, Tensor]],
        bfloat16: bool,
    ) -> None:
        self.source, self.small, self.heads, self.spread = source, small, heads, spread
        self.small.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.bfloat16 = bfloat16

    def losses(self, images: Tensor, exact: bool = False) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        """Per stage of ResNet18's variance the share unexplained, and 1 - cos along channels; the small stages."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16 and not exact):
            with torch.no_grad():
                wanted = self.source(images)
            stages = self.small(images)
            given = [head(stage) for head, stage in zip(self.heads, stages, strict=True)]
        unexplained, cosine = [], []
        for want, give, (mean, std) in zip(wanted, given, self.spread, strict=True):
            unexplained.append(F.mse_loss(give.float(), (want.float() - mean) / std))
            cosine.append(1 - F.cosine_similarity(give.float() * std + mean, want.float(), dim=1).mean())
        return torch.stack(unexplained), torch.stack(cosine), stages


def train(args: argparse.Namespace, task: Task, pool: np.ndarray, rng: np.random.Generator, validation: Tensor) -> None:
    parameters = [*task.small.parameters(), *task.heads.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=args.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, args.lr, args.steps, pct_start=0.1)
    started = time.time()
    for step in range(args.steps):
        for k in range(step * args.fresh, (step + 1) * args.fresh):
            pool[k % len(pool)] = make_image(np.random.default_rng([args.seed, args.pool + k]), SIDE)
        unexplained, cosine, _ = task.losses(crops(pool, rng, args.batch, args.size))
        optimiser.zero_grad()
        (unexplained.sum() + COSINE_WEIGHT * cosine.sum()).backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == args.steps:
            losses, dead = validate(task, validation)
            print(
                f"step {step + 1} {time.time() - started:.0f} s {describe(losses)} dead channels {dead:.3f}",
                flush=True,
            )


def validate(task: Task, images: Tensor) -> tuple[dict[str, list[float]], float]:
    """Mean losses per stage on the held-out images, and the share of channels that are never active."""
    task.small.eval()
    with torch.no_grad():
        parts = [task.losses(chunk, exact=True) for chunk in images.split(64)]
    task.small.train()
    active = [torch.stack([p[2][k].amax((0, 2, 3)) for p in parts]).amax(0) > 0 for k in range(3)]
    losses = {
        "unexplained": torch.stack([unexplained for unexplained, _, _ in parts]).mean(0).tolist(),
        "cosine": torch.stack([cosine for _, cosine, _ in parts]).mean(0).tolist(),
    }
    return losses, 1 - torch.cat(active).float().mean().item()


def describe(losses: dict[str, list[float]]) -> str:
    return " ".join(f"{name} {'/'.join(f'{v:.4f}' for v in values)}" for name, values in losses.items())


def save(args: argparse.Namespace, small: Backbone, losses: dict[str, list[float]], dead: float) -> None:
    """The tensors, and how they came to be, in one safetensors file; written whole or not at all."""
    recipe = {k: v for k, v in vars(args).items() if k not in ("weights", "out")}
    metadata = {
        "source": "distilled from torchvision ResNet18 IMAGENET1K_V1",
        "recipe": json.dumps(recipe | {"side": SIDE, "cosine_weight": COSINE_WEIGHT}, sort_keys=True),
        "seed": str(args.seed),
        "steps": str(args.steps),
        "validation": json.dumps({k: [round(v, 5) for v in values] for k, values in losses.items()}),
        "dead_channels": f"{dead:.4f}",
        "versions": json.dumps({"torch": str(torch.__version__), "numpy": np.__version__}),
    }
    tensors = {k: v.contiguous() for k, v in small.state_dict().items()}
    part = args.out.with_suffix(".part")
    save_file(tensors, part, metadata)
    os.replace(part, args.out)
    print(f"{args.out}: {args.out.stat().st_size / 2**20:.2f} MiB; {describe(losses)}")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
