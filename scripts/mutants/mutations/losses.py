"""Mutations of rdpp/losses."""

from mutations.mutation import Mutation

_COSINE = "tests/losses/test_cosine_losses.py"
_SSOT = "tests/losses/test_ssot.py"
_PAIRS = "tests/losses/test_pairs.py"

MUTATIONS = [
    Mutation("cosine distance: sign", "rdpp/losses/cosine_distance.py", "(1 - cosine", "(1 + cosine", _COSINE),
    Mutation(
        "distillation: position by position",
        "rdpp/losses/distillation.py",
        "features.student, IMAGES)",
        "features.student, (1,))",
        _COSINE,
    ),
    Mutation(
        "distillation: against noisy teacher features",
        "rdpp/losses/distillation.py",
        "cosine_distance(features.teacher,",
        "cosine_distance(features.teacher_noisy or features.teacher,",
        "tests/losses/test_losses_conformance.py",
    ),
    Mutation(
        "hard distillation: the easy positions are the hard ones",
        "rdpp/losses/hard_distillation.py",
        "(distances < ",
        "(distances >= ",
        _COSINE,
    ),
    Mutation(
        "hard distillation: other terms' gradients shrink too",
        "rdpp/losses/hard_distillation.py",
        "viewed = student.view_as(student)",
        "viewed = student",
        _COSINE,
    ),
    Mutation(
        "reconstruction: whole images",
        "rdpp/losses/reconstruction.py",
        "features.projected, POSITIONS)",
        "features.projected, (1, 2, 3))",
        _COSINE,
    ),
    Mutation(
        "denoising: whole images",
        "rdpp/losses/denoising.py",
        "features.student_noisy, POSITIONS)",
        "features.student_noisy, (1, 2, 3))",
        _COSINE,
    ),
    Mutation(
        "denoising: what the student makes of clean features",
        "rdpp/losses/denoising.py",
        "features.teacher, features.student_noisy",
        "features.teacher, features.student",
        "tests/losses/test_losses_conformance.py",
    ),
    Mutation("contrast: margin ignored", "rdpp/losses/contrast.py", " - self.margin)", ")", _COSINE),
    Mutation("contrast: another margin", "rdpp/losses/contrast.py", "float = 0.5", "float = 0.4", _COSINE),
    Mutation(
        "contrast: target's sign",
        "rdpp/losses/contrast.py",
        "(cosine_similarity(noisy",
        "(-cosine_similarity(noisy",
        _COSINE,
    ),
    Mutation(
        "contrast: another weight",
        "rdpp/losses/contrast.py",
        "0.2 * 0.1 / 1.11",
        "0.2 * 0.1",
        "tests/test_experiment.py",
    ),
    Mutation("ssot: no softmax", "rdpp/losses/ssot.py", ".softmax(1) for", " for", _SSOT),
    Mutation(
        "ssot: not debiased",
        "rdpp/losses/ssot.py",
        "there - own_first + back - own_second",
        "there + back",
        _SSOT,
    ),
    Mutation("ssot: gradients doubled", "rdpp/losses/ssot.py", "return (torch.diag(", "return 2 * (torch.diag(", _SSOT),
    Mutation("ssot images: own partner", "rdpp/losses/pairs.py", "order.roll(1)", "order", _SSOT),
    Mutation(
        "ssot images: partner not permuted",
        "rdpp/losses/pairs.py",
        "clouds[partner.to",
        "clouds[0 * partner.to",
        _SSOT,
    ),
    Mutation(
        "ssot images: channels not normalised",
        "rdpp/losses/pairs.py",
        "normalize(points, dim=1).transpose",
        "points.transpose",
        _SSOT,
    ),
    Mutation(
        "ssot images: positions from the global generator",
        "rdpp/losses/pairs.py",
        "features.shape[2], generator=generator)",
        "features.shape[2])",
        "tests/losses/test_losses_conformance.py",
    ),
    Mutation(
        "total: weights left out",
        "rdpp/losses/weighted.py",
        "list(weighted.values())",
        "list(raw.values())",
        "tests/losses/test_weighted.py",
    ),
    Mutation(
        "sliced: no sorting",
        "rdpp/losses/sliced_wasserstein.py",
        "(cloud @ directions).sort(1).values",
        "(cloud @ directions)",
        _PAIRS,
    ),
    Mutation(
        "sliced: directions not normalised",
        "rdpp/losses/sliced_wasserstein.py",
        "normalize(drawn, dim=0)",
        "drawn",
        _PAIRS,
    ),
    Mutation("energy: another kernel", "rdpp/losses/energy.py", '"energy"', '"laplacian"', _PAIRS),
    Mutation(
        "mmd: fixed blur",
        "rdpp/losses/mmd.py",
        "self.relative_blur * largest_distance(first, second)",
        "self.relative_blur",
        _PAIRS,
    ),
    Mutation("ssot: annealing starts too late", "rdpp/losses/ssot.py", "_REHEARSALS = 40", "_REHEARSALS = 3", _SSOT),
    Mutation(
        "ssot: gradients to the columns' points",
        "rdpp/losses/ssot.py",
        "torch.diag(gradient.sum(1)) - gradient)",
        "torch.diag(gradient.sum(0)) - gradient.T)",
        _SSOT,
    ),
]
