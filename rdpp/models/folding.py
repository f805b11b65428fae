"""Batch normalisation in eval mode is a scale and a shift: they go into the convolution before it."""

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


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
            where, conv = before
            assert isinstance(conv, nn.Conv2d | nn.ConvTranspose2d)
            setattr(module, where, fuse_conv_bn_eval(conv, child, isinstance(conv, nn.ConvTranspose2d)))
            setattr(module, name, nn.Identity())
        before = name, child
