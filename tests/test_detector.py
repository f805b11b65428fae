"""The detector: what the network gives in eval mode, from floats or bytes, in either precision, exported too; and its
maps against their parts: cosine distance, torch's enlargement, scipy's Gaussian."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from torch.nn.functional import cosine_similarity, interpolate

from rdpp import kernels
from rdpp.detector import AnomalyMap, Detector, _gaussian, image_score
from rdpp.models import ARCHITECTURES, Network, TeacherConfig, load_teacher

SIZE = (64, 64)
SHAPES = [(16, 16), (8, 8), (4, 4)]


def stages(seed, shapes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(2, 5, *shape, dtype=dtype, generator=generator) for shape in shapes)


def step_by_step(teacher, student, size, sigma):
    total = np.zeros((2, *size))
    for first, second in zip(teacher, student, strict=True):
        distance = 1 - cosine_similarity(first, second)[:, None]
        total += interpolate(distance, size=size, mode="bilinear", align_corners=True)[:, 0].numpy()
    return np.stack([gaussian_filter(image, sigma) for image in total]) if sigma else total


@pytest.mark.parametrize("sigma", [4.0, 1.3, 0.0])
@pytest.mark.parametrize(
    ("size", "shapes"),
    [
        ((64, 64), [(16, 16), (8, 8), (4, 4)]),
        ((32, 96), [(8, 24), (4, 12), (2, 6)]),
        ((96, 32), [(24, 8), (12, 4), (6, 2)]),
        ((7, 5), [(7, 5), (3, 2), (1, 1)]),  # smaller than the Gaussian
    ],
)
def test_the_map_is_enlarged_and_smoothed_step_by_step(size, shapes, sigma):
    teacher, student = stages(1, shapes), stages(2, shapes)
    found = AnomalyMap(size, shapes, sigma)(teacher, student)
    assert found.shape == (2, 1, *size)
    np.testing.assert_allclose(found[:, 0], step_by_step(teacher, student, size, sigma), rtol=0, atol=1e-12)


def test_sigma_is_4_by_default():
    teacher, student = stages(1, [(8, 8)]), stages(2, [(8, 8)])
    found, expected = (AnomalyMap((32, 32), [(8, 8)], *sigma)(teacher, student) for sigma in ((), (4.0,)))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("sigma", [0.3, 1.3, 4.0, 9.0])
@pytest.mark.parametrize("size", [1, 2, 5, 64])
def test_the_gaussian_is_scipys(size, sigma):
    expected = gaussian_filter1d(np.eye(size), sigma, axis=0, truncate=4.0, mode="reflect")
    np.testing.assert_allclose(_gaussian(size, sigma), expected, rtol=0, atol=1e-15)


def test_float32_stays_close_and_keeps_its_dtype():
    teacher, student = stages(1, SHAPES), stages(2, SHAPES)
    single = (tuple(s.float() for s in part) for part in (teacher, student))
    found = AnomalyMap(SIZE, SHAPES).float()(*single)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found[:, 0], step_by_step(teacher, student, SIZE, 4.0), rtol=0, atol=1e-5)


def test_parallel_features_are_normal_and_opposite_ones_as_anomalous_as_can_be():
    teacher = stages(1, [(8, 8), (4, 4)])
    anomaly_map = AnomalyMap((32, 32), [(8, 8), (4, 4)])
    parallel = anomaly_map(teacher, tuple(3 * stage for stage in teacher))
    opposite = anomaly_map(teacher, tuple(-stage for stage in teacher))
    torch.testing.assert_close(parallel, torch.zeros_like(parallel))
    torch.testing.assert_close(opposite, torch.full_like(opposite, 4.0))


def test_the_image_score_is_the_maximum_of_each_map():
    maps = torch.zeros(2, 1, 4, 5)
    maps[0, 0, 3, 1], maps[1, 0, 0, 4] = 2.0, 0.5
    maps[1, 0, 1, 1] = -3.0
    assert image_score(maps).tolist() == [2.0, 0.5]


@pytest.fixture
def trained():
    """Teacher, network whose norms have seen images, three images and the maps that it gives of them in eval mode."""
    generator = torch.Generator().manual_seed(0)
    teacher, network = load_teacher(TeacherConfig()), Network(ARCHITECTURES["builtin"])
    network.initialise(generator)
    images = torch.rand(3, 3, *SIZE, generator=generator)
    with torch.no_grad():
        for _ in range(5):
            network.train()(teacher(torch.rand(8, 3, *SIZE, generator=generator)))
        features = network.eval()(teacher(images))
    return teacher, network, images, AnomalyMap(SIZE, SHAPES).float()(features.teacher, features.student)


def test_folded_it_gives_what_the_network_gives(trained):
    teacher, network, images, expected = trained
    maps, scores = Detector(teacher, network.train(), SIZE)(images)
    torch.testing.assert_close(maps, expected, rtol=0, atol=1e-5)
    assert torch.equal(scores, maps.amax((1, 2, 3)))
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in Detector(teacher, network, SIZE).network.modules())


def test_the_network_stays_as_it_is(trained):
    teacher, network, images, _ = trained
    before = {name: tensor.clone() for name, tensor in network.train().state_dict().items()}
    Detector(teacher, network, SIZE)(images)
    assert {module.training for module in network.modules()} == {True}
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_known_features_are_used(trained):
    teacher, network, images, expected = trained
    maps, _ = Detector(teacher, network, SIZE)(torch.zeros_like(images), teacher(images))
    torch.testing.assert_close(maps, expected, rtol=0, atol=1e-5)


def test_bytes_are_divided_by_255(trained):
    teacher, network, images, _ = trained
    pixels = (images * 255).round().to(torch.uint8)
    detector = Detector(teacher, network, SIZE)
    torch.testing.assert_close(detector(pixels)[0], detector(pixels.float() / 255)[0])


def test_bf16_is_near_fp32_and_gives_float32(trained):
    teacher, network, images, expected = trained
    maps, scores = Detector(teacher, network, SIZE, precision="bf16")(images)
    assert maps.dtype == scores.dtype == torch.float32
    assert 0 < float((maps - expected).abs().max()) < 0.05 * float(expected.abs().max())


def test_plain_reverse_distillation(trained):
    teacher, _, images, _ = trained
    network = Network(ARCHITECTURES["builtin"], projection=False)
    with torch.no_grad():
        features = network.eval()(teacher(images))
    expected = AnomalyMap(SIZE, SHAPES, 0.0).float()(features.teacher, features.student)
    torch.testing.assert_close(Detector(teacher, network, SIZE, sigma=0.0)(images)[0], expected, rtol=0, atol=1e-5)


def test_it_stays_in_eval_mode_and_keeps_matrices_out_of_files(trained):
    teacher, network, images, expected = trained
    detector = Detector(teacher, network, SIZE).train()
    assert not any(module.training for module in detector.modules())
    torch.testing.assert_close(detector(images)[0], expected, rtol=0, atol=1e-5)
    assert not any("anomaly_map" in name for name in detector.state_dict())
    assert len([name for name, _ in detector.named_buffers() if "anomaly_map" in name]) == 6


def test_images_of_another_size(trained):
    teacher, network, images, _ = trained
    detector = Detector(teacher, network, SIZE)
    with pytest.raises(ValueError, match=r"made for images of \(64, 64\) pixels \(height, width\), got \(32, 64\)"):
        detector(images[:, :, :32])


@pytest.mark.parametrize("size", [(64, 48), (0, 64), (65, 64)])
def test_sides_that_do_not_fit_the_student(trained, size):
    teacher, network, *_ = trained
    with pytest.raises(ValueError, match=r"multiples of 32, got"):
        Detector(teacher, network, size)


def test_double_precision_all_the_way(trained):
    teacher, network, images, expected = trained
    pixels = (images * 255).round().to(torch.uint8)
    detector = Detector(teacher.double(), network.double(), SIZE)
    maps, scores = detector(pixels)
    assert maps.dtype == scores.dtype == torch.float64
    assert torch.equal(maps, detector(pixels.double() / 255)[0])
    torch.testing.assert_close(detector(images.double())[0].float(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "dtype"),
    [
        ((64, 96), torch.uint8),
        pytest.param((64, 64), torch.uint8, marks=pytest.mark.slow),
        pytest.param((64, 96), torch.float32, marks=pytest.mark.slow),
        pytest.param((64, 64), torch.float32, marks=pytest.mark.slow),
    ],
)
def test_exported_it_gives_the_same_maps_for_any_number_of_images(trained, size, dtype):
    teacher, network, *_ = trained
    detector = Detector(teacher, network, size)
    pixels = torch.randint(0, 256, (5, 3, *size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images = pixels if dtype == torch.uint8 else pixels.float() / 255
    exported = torch.export.export(detector, (images[:2],), dynamic_shapes=({0: torch.export.Dim("images")},))
    kernels.use("off")
    try:
        expected = detector(images)
    finally:
        kernels.use("auto")
    for found, error in ((exported.module()(images), 1e-6), (detector(images), 1e-5)):
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=error)


@pytest.mark.filterwarnings("ignore:No complete tensor")  # of weights in channels_last, which come back as they are
def test_exported_and_loaded_again(trained, tmp_path):
    teacher, network, images, _ = trained
    detector = Detector(teacher, network, SIZE)
    torch.export.save(torch.export.export(detector, (images,)), tmp_path / "detector.pt2")
    found = torch.export.load(tmp_path / "detector.pt2").module()(images)
    for one, other in zip(found, detector(images), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_known_features_are_exported_too(trained):
    teacher, network, images, _ = trained
    detector, known = Detector(teacher, network, SIZE), teacher(images)
    found = torch.export.export(detector, (images, known)).module()(torch.zeros_like(images), known)
    torch.testing.assert_close(found[0], detector(images)[0], rtol=0, atol=1e-5)
