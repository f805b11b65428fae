"""A narrow Backbone that begins as a pruned wide one, which saves most of the distillation's steps.

Of each layer's channels those are kept that predict the others best by least squares (QR with column
pivoting); the weights that read a lost channel are spread over the kept ones by the same least squares.
BatchNorm then gets the mean and spread that each kept channel has in the wide network.
"""

from collections.abc import Iterator

import numpy as np
import torch
from scipy.linalg import qr
from torch import Tensor, nn

from rdpp.models.backbone import Backbone

ROWS = 8192  # pixels of a sample that the least squares see


def pruned_start(narrow: Backbone, wide: Backbone, images: Tensor) -> list[nn.Conv2d]:
    """Fill `narrow` from `wide` (both of BasicBlocks); return 1x1 heads to the standardised wide stages.

    Args:
        images: (B, 3, H, W) normalised; the channels are chosen on them.
    """
    inputs, spreads, stages = _observe(wide, images)
    given, target = (
        wide.state_dict(),
        narrow.state_dict(),
    )  # the very tensors of the network: copied into below
    widths = [target[f"layer{stage}.0.bn2.weight"].numel() for stage in (1, 2, 3)]
    streams = [_choose(rows, count) for rows, count in zip(stages, widths, strict=True)]
    streams = [streams[0], *streams]  # the stem's channels are those of layer1
    inner = {
        name: _choose(inputs[name], target[f"{name}.weight"].shape[1]) for name in inputs if name.endswith("conv2")
    }
    with torch.no_grad():
        for conv, norm, read, written in _convolutions(wide, streams, inner):
            kept = _spread_over(inputs[conv], read) if read is not None else torch.eye(3)
            weight = torch.einsum("oihw,ki->okhw", given[f"{conv}.weight"][written], kept)
            target[f"{conv}.weight"].copy_(weight)
            mean, std = spreads[norm]
            target[f"{norm}.weight"].copy_(std[written])
            target[f"{norm}.bias"].copy_(mean[written])
    return [_head(rows, kept) for rows, kept in zip(stages, streams[1:], strict=True)]


def _convolutions(
    wide: Backbone, streams: list[Tensor], inner: dict[str, Tensor]
) -> Iterator[tuple[str, str, Tensor | None, Tensor]]:
    """Each convolution, its BatchNorm, the channels it reads (None: the image's) and those it writes."""
    yield "conv1", "bn1", None, streams[0]
    for stage in (1, 2, 3):
        for number, block in enumerate(getattr(wide, f"layer{stage}")):
            name, read = f"layer{stage}.{number}", streams[stage if number else stage - 1]
            yield f"{name}.conv1", f"{name}.bn1", read, inner[f"{name}.conv2"]
            yield f"{name}.conv2", f"{name}.bn2", inner[f"{name}.conv2"], streams[stage]
            if block.downsample is not None:
                yield f"{name}.downsample.0", f"{name}.downsample.1", read, streams[stage]


def _observe(
    wide: Backbone, images: Tensor
) -> tuple[dict[str, Tensor], dict[str, tuple[Tensor, Tensor]], list[Tensor]]:
    """Pixels at each convolution's input, (mean, std) after each BatchNorm, pixels of each stage's output."""
    inputs: dict[str, Tensor] = {}
    spreads: dict[str, tuple[Tensor, Tensor]] = {}
    handles = []
    for name, module in wide.named_modules():
        if isinstance(module, nn.Conv2d):
            keep = lambda _, args, name=name: inputs.__setitem__(name, _rows(args[0]))  # noqa: E731
            handles.append(module.register_forward_pre_hook(keep))
        elif isinstance(module, nn.BatchNorm2d):
            keep = lambda _, __, out, name=name: spreads.__setitem__(  # noqa: E731
                name, (out.mean((0, 2, 3)), out.std((0, 2, 3)))
            )
            handles.append(module.register_forward_hook(keep))
    with torch.no_grad():
        stages = [_rows(stage) for stage in wide(images)]
    for handle in handles:
        handle.remove()
    return inputs, spreads, stages


def _rows(x: Tensor) -> Tensor:
    """(B, C, H, W) to at most ROWS pixels of C values, evenly taken."""
    flat = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
    return flat[:: max(1, len(flat) // ROWS)].clone()


def _choose(rows: Tensor, count: int) -> Tensor:
    standard = (rows - rows.mean(0)) / (rows.std(0) + 1e-6)
    *_, pivots = qr(standard.numpy().astype(np.float64), mode="r", pivoting=True)
    return torch.from_numpy(np.sort(pivots[:count]))


def _spread_over(rows: Tensor, kept: Tensor) -> Tensor:
    """(kept, C): what each kept channel says of every channel; constants are left to BatchNorm."""
    centred = rows - rows.mean(0)
    ridge = 1e-3 * len(rows) * centred.var() * torch.eye(len(kept))
    gram = centred[:, kept].T @ centred[:, kept] + ridge
    return torch.linalg.solve(gram, centred[:, kept].T @ centred)


def _head(rows: Tensor, kept: Tensor) -> nn.Conv2d:
    """1x1 convolution that predicts the standardised wide stage from its kept channels."""
    mean, std = rows.mean(0), rows.std(0) + 1e-6
    weight = (_spread_over(rows, kept) / std).T
    head = nn.Conv2d(len(kept), rows.shape[1], 1)
    with torch.no_grad():
        head.weight.copy_(weight[..., None, None])
        head.bias.copy_(-weight @ mean[kept])  # type: ignore[union-attr]
    return head
