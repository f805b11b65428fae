"""The teacher's backbone against torchvision's networks, and the shapes of what follows it."""

import pytest
import torch
import torchvision

from rdpp.models import ARCHITECTURES, Network
from rdpp.models.backbone import Backbone

TORCHVISION = [name for name in ARCHITECTURES if name != "builtin"]


@pytest.mark.parametrize("name", TORCHVISION)
def test_names_and_shapes_are_torchvisions(name):
    with torch.device("meta"):
        ours = Backbone(ARCHITECTURES[name]).state_dict()
        theirs = torchvision.models.get_model(name).state_dict()
    expected = {k: v.shape for k, v in theirs.items() if not k.startswith(("layer4.", "fc."))}
    assert {k: v.shape for k, v in ours.items()} == expected


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_features_are_torchvisions(name):
    theirs = torchvision.models.get_model(name).eval()
    ours = Backbone(ARCHITECTURES[name]).eval()
    ours.load_state_dict(theirs.state_dict(), strict=False)
    expected = []
    for layer in (theirs.layer1, theirs.layer2, theirs.layer3):
        layer.register_forward_hook(lambda module, inputs, output: expected.append(output))
    with torch.no_grad():
        images = torch.rand(1, 3, 64, 32)
        theirs(images)
        found = ours(images)
    for stage, (one, other) in enumerate(zip(found, expected, strict=True)):
        torch.testing.assert_close(one, other, msg=f"stage {stage}")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_student_and_projection_mirror_the_teachers_stages(name):
    architecture = ARCHITECTURES[name]
    with torch.device("meta"):
        stages = Backbone(architecture)(torch.empty(2, 3, 96, 64))
        features = Network(architecture)(stages, stages)
    expected = [(2, channels, 96 // s, 64 // s) for channels, s in zip(architecture.channels, (4, 8, 16), strict=True)]
    for part in (features.teacher, features.projected, features.projected_noisy, features.student):
        assert [tuple(stage.shape) for stage in part] == expected
