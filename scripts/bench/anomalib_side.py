"""The other side of a benchmark: a training step of anomalib's reverse distillation (no projection, no noise).

    python scripts/bench/anomalib_side.py BACKBONE

For an interpreter that has anomalib 2, which need not have rdpp; see scripts/bench/bench.py --anomalib.
"""

# pyright: reportMissingImports=false
import sys

import torch
from anomalib.models.image.reverse_distillation.anomaly_map import AnomalyMapGenerationMode
from anomalib.models.image.reverse_distillation.loss import ReverseDistillationLoss
from anomalib.models.image.reverse_distillation.torch_model import ReverseDistillationModel
from serve import serve

SIZE, BATCH = 256, 16


def main() -> None:
    """Serve."""
    model = ReverseDistillationModel(
        backbone=sys.argv[1],
        input_size=(SIZE, SIZE),
        layers=("layer1", "layer2", "layer3"),
        anomaly_map_mode=AnomalyMapGenerationMode.ADD,
        pre_trained=False,
    ).train()
    loss = ReverseDistillationLoss()
    parameters = [*model.decoder.parameters(), *model.bottleneck.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.005, betas=(0.5, 0.99))
    images = torch.rand(BATCH, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))

    def step() -> None:
        optimizer.zero_grad()
        value = loss(*model(images))
        value.backward()
        optimizer.step()
        value.item()

    serve(step)


if __name__ == "__main__":
    main()
