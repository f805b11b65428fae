"""Batch normalisation in eval mode is a scale and a shift: they go into the convolution before it."""

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


def fold_batch_norms(module: nn.Module) -> None:
    """Fold each BatchNorm below a module in eval mode into its convolution, in place; the same but for rounding.

    A normalisation belongs to the convolution registered just before it, as in torchvision's ResNets and in
    every part of this package.
    """
    for child in module.children():
        fold_batch_norms(child)
    before: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d):
            assert before is not None
            _, conv = before
            assert isinstance(conv, nn.Conv2d | nn.ConvTranspose2d)
            conv.weight, conv.bias = _folded(conv, child)
            setattr(module, name, nn.Identity())
        before = name, child


def _folded(conv: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight and bias of both together."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    statistics = norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    return fuse_conv_bn_weights(conv.weight, conv.bias, *statistics, transpose=isinstance(conv, nn.ConvTranspose2d))
