"""torch's convolutions as modules, by this package's kernels."""

from torch import Tensor, nn

from rdpp.kernels.convolution import conv2d, conv_transpose2d


class Conv2d(nn.Conv2d):
    """torch's own but for rounding; without groups, dilation or borders of other numbers than zeros."""

    def forward(self, input: Tensor) -> Tensor:
        return self._convolved(input, self.bias)

    def without_bias(self, input: Tensor) -> Tensor:
        """The convolution alone, as if the bias were 0."""
        return self._convolved(input, None)

    def _convolved(self, x: Tensor, bias: Tensor | None) -> Tensor:
        assert isinstance(self.padding, tuple)
        assert self.padding_mode == "zeros"
        assert self.dilation == (1, 1)
        assert self.groups == 1
        return conv2d(x, self.weight, bias, self.stride, self.padding)


class DoublingConv2d(nn.ConvTranspose2d):
    """The transposed convolution of side 2 and stride 2, which doubles height and width."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 2, stride=2, bias=False)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        assert output_size is None
        return conv_transpose2d(input, self.weight, self.bias, stride=2)  # a bias comes with a folded norm
