"""Mutations of rdpp/models."""

from mutations.mutation import Mutation

_CONVOLUTION = "tests/kernels/test_convolution.py"
_PARITY = "tests/models/test_official_parity.py -k resnet18"
_NETWORK = "tests/models/test_network.py"
_TEACHER = "tests/models/test_teacher.py"

MUTATIONS = [
    Mutation(
        "teacher: not normalised", "rdpp/models/teacher.py", "(images - self.mean) / self.std", "images", _TEACHER
    ),
    Mutation(
        "teacher: in train mode", "rdpp/models/teacher.py", "super().train(False)", "super().train(mode)", _TEACHER
    ),
    Mutation(
        "teacher: with gradients",
        "rdpp/models/teacher.py",
        "nullcontext() if torch.compiler.is_exporting() else torch.no_grad()",
        "nullcontext()",
        _TEACHER,
    ),
    Mutation(
        "teacher: weights V2",
        "rdpp/models/teacher.py",
        '["IMAGENET1K_V1"]',
        '["IMAGENET1K_V2"]',
        f"{_TEACHER} -k downloaded",
    ),
    Mutation("weights: unpickled", "rdpp/models/weights.py", "weights_only=True", "weights_only=False", _TEACHER),
    Mutation(
        "bottleneck: stages mixed up",
        "rdpp/models/bottleneck.py",
        "[self.first(first), self.second(second), third]",
        "[self.second(second), self.first(first), third]",
        _PARITY,
    ),
    Mutation(
        "student: block order",
        "rdpp/models/student.py",
        "blocks = architecture.layers",
        "blocks = architecture.layers[::-1]",
        "tests/models/test_official_files.py",
    ),
    Mutation(
        "projection: no InstanceNorm",
        "rdpp/models/projection.py",
        "x = instance_norm_leaky_relu(convolution.without_bias(x), negative_slope=_SLOPE)",
        "x = convolution.without_bias(x)",
        _PARITY,
    ),
    Mutation("projection: slope", "rdpp/models/projection.py", "SLOPE = 0.01", "SLOPE = 0.2", _PARITY),
    Mutation(
        "network: the noisy student sees clean features",
        "rdpp/models/network.py",
        "zip(projected, seen,",
        "zip(projected, projected,",
        _NETWORK,
    ),
    Mutation(
        "network: clean and noisy students mixed up",
        "rdpp/models/network.py",
        "student, student_noisy = zip(",
        "student_noisy, student = zip(",
        _NETWORK,
    ),
    Mutation(
        "network: student fed with noisy features",
        "rdpp/models/network.py",
        "self.bottleneck(projected)",
        "self.bottleneck(noisy or projected)",
        _NETWORK,
    ),
    Mutation(
        "network: a bias from the global generator",
        "rdpp/models/network.py",
        "-bound, bound, generator=generator)",
        "-bound, bound)",
        _NETWORK,
    ),
    Mutation(
        "projection: biases trained",
        "rdpp/models/projection.py",
        "convolution.without_bias(x)",
        "convolution(x)",
        _CONVOLUTION,
    ),
    Mutation(
        "folding: transposed convolutions like the others",
        "rdpp/models/folding.py",
        "isinstance(conv, nn.ConvTranspose2d))",
        "False)",
        "tests/models/test_folding.py",
    ),
]
