"""Moving what was drawn on the CPU to the device of the images."""

from torch import Tensor


def to_device_of(drawn: Tensor, images: Tensor) -> Tensor:
    """The same numbers in the images' dtype and on their device, without waiting for it."""
    if images.is_cuda:
        return drawn.pin_memory().to(images.device, images.dtype, non_blocking=True)
    return drawn.to(images)
