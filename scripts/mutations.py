"""The mutations of mutants.py: each breaks the method in one way that a reader of the paper would call wrong."""

from typing import NamedTuple


class Mutation(NamedTuple):
    """One change to one file, and the tests that must notice it."""

    name: str
    file: str
    old: str
    """Occurs exactly once in the file."""
    new: str
    tests: str
    """Arguments of pytest."""


_FEATURES, _WRITER = "tests/engine/test_teacher_features.py", "tests/tracking/test_writer.py"
_COSINE, _SSOT = "tests/losses/test_cosine_losses.py", "tests/losses/test_ssot.py"
_COSINE_KERNEL = "tests/kernels/test_cosine.py"
_CONVOLUTION = "tests/kernels/test_convolution.py"
_WINOGRAD = "rdpp/kernels/winograd.py"
_NEARBY, _INFERENCE = "tests/kernels/test_nearby.py", "tests/test_detector.py"
_PARITY = "tests/models/test_official_parity.py -k resnet18"
_NETWORK, _TEACHER = "tests/models/test_network.py", "tests/models/test_teacher.py"
_STEP = "tests/engine/test_step.py -k 'not official'"
_TRAIN, _CHECKPOINT = "tests/engine/test_train.py", "tests/engine/test_checkpoint.py"
_CACHE, _SCORING = "tests/data/test_cache.py", "tests/test_detector.py"
_AUPRO, _AUPIMO = "tests/metrics/test_aupro.py", "tests/metrics/test_aupimo.py"
_COUNTING = "tests/kernels/test_counting.py"
_HELD, _SELECTION = "tests/data/test_held_out.py", "tests/engine/test_held_out_selection.py"
_INSPECTION, _PAIRS = "tests/engine/test_inspection.py", "tests/losses/test_pairs.py"
_NOISES = "tests/noise/test_patch_noises.py"
_LENGTH, _HALVING = "tests/engine/test_length.py", "tests/sweep/test_halving.py"
_STATISTICS, _ABLATION = "tests/ablation/test_statistics.py", "tests/ablation/test_run.py"

MUTATIONS = [
    # losses
    Mutation("distillation: sign", "rdpp/losses/distillation.py", "(1 - cosine", "(1 + cosine", _COSINE),
    Mutation(
        "distillation: position by position",
        "rdpp/losses/distillation.py",
        "student, (1, 2, 3)",
        "student, (1,)",
        _COSINE,
    ),
    Mutation(
        "distillation: against noisy teacher features",
        "rdpp/losses/distillation.py",
        "zip(features.teacher,",
        "zip(features.teacher_noisy or features.teacher,",
        "tests/losses/test_losses_conformance.py",
    ),
    Mutation(
        "reconstruction: whole images",
        "rdpp/losses/reconstruction.py",
        "clean, (1,)",
        "clean, (1, 2, 3)",
        _COSINE,
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
    # models
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
    # engine
    Mutation(
        "step: never accumulated", "rdpp/engine/step.py", "self._summed == self.training.accumulate", "True", _STEP
    ),
    Mutation("step: gradients kept", "rdpp/engine/step.py", "        self.optimizer.zero_grad()\n", "", _STEP),
    Mutation(
        "step: terms overwrite", "rdpp/engine/step.py", " else parameter.grad + gradient", " else gradient", _STEP
    ),
    Mutation(
        "step: noise on the clean image",
        "rdpp/engine/step.py",
        "self.network(clean, self.teacher.near(noisy, changed, clean))",
        "self.network(self.teacher.near(noisy, changed, clean), clean)",
        _STEP,
    ),
    Mutation(
        "step: learning rates mixed up",
        "rdpp/engine/step.py",
        'rates = {"projection": optimizer.projection_lr, "restoration": optimizer.restoration_lr}',
        'rates = {"restoration": optimizer.projection_lr, "projection": optimizer.restoration_lr}',
        _STEP,
    ),
    Mutation(
        "train: an odd batch leaks",
        "rdpp/engine/train.py",
        "        stepper.update()\n",
        "",
        f"{_TRAIN} -k rest",
    ),
    Mutation(
        "train: weights from the global generator",
        "rdpp/engine/train.py",
        "        self.network.initialise(self.streams.weights)\n",
        "",
        f"{_TRAIN} -k digit",
    ),
    Mutation(
        "evaluate: BatchNorm of the batch",
        "rdpp/detector.py",
        "copy.deepcopy(network).eval()",
        "copy.deepcopy(network).train()",
        _INFERENCE,
    ),
    Mutation(
        "detector: folds the network itself",
        "rdpp/detector.py",
        "copy.deepcopy(network).eval()",
        "network.eval()",
        _INFERENCE,
    ),
    Mutation(
        "selection: not rounded",
        "rdpp/engine/selection.py",
        "round(metrics[name], 4)",
        "metrics[name]",
        "tests/engine/test_selection.py",
    ),
    Mutation(
        "seeding: one stream for all uses",
        "rdpp/engine/seeding.py",
        "_generator(seed, use)",
        '_generator(seed, "all")',
        "tests/engine/test_seeding.py",
    ),
    Mutation(
        "checkpoint: any teacher",
        "rdpp/engine/checkpoint.py",
        "teacher.fingerprint != checkpoint.teacher_fingerprint",
        "False",
        f"{_CHECKPOINT} -k teacher",
    ),
    # scoring
    Mutation("map: corners not aligned", "rdpp/detector.py", "align_corners=True", "align_corners=False", _SCORING),
    Mutation("map: another sigma", "rdpp/detector.py", "SIGMA = 4.0", "SIGMA = 3.0", _SCORING),
    Mutation("map: Gaussian's border", "rdpp/detector.py", "2 * size - 1 - places", "2 * size - places", _SCORING),
    Mutation("map: Gaussian's reach", "rdpp/detector.py", "_TRUNCATE = 4.0", "_TRUNCATE = 3.0", _SCORING),
    Mutation("score: mean", "rdpp/detector.py", "maps.amax(", "maps.mean(", _SCORING),
    # data
    Mutation("mask: threshold", "rdpp/data/cache.py", "/ 255 > 0.5", "/ 255 > 0.3", _CACHE),
    Mutation("mask: nearest", "rdpp/data/cache.py", "Resampling.BILINEAR", "Resampling.NEAREST", _CACHE),
    Mutation(
        "image: resized as 8-bit numbers",
        "rdpp/data/cache.py",
        "return interpolate(tensor, size=size",
        "return interpolate((tensor * 255).byte(), size=size",
        _CACHE,
    ),
    Mutation("image: antialiased", "rdpp/data/cache.py", "align_corners=False)", "antialias=True)", _CACHE),
    Mutation("cache: content not looked at", "rdpp/data/cache.py", "{manifest[name]} {name}", "{name}", _CACHE),
    Mutation(
        "batches: order from the global generator",
        "rdpp/data/batches.py",
        "randperm(count, generator=generator)",
        "randperm(count)",
        "tests/data/test_batches.py",
    ),
    # noise
    Mutation(
        "simplex: octaves' amplitude",
        "rdpp/noise/opensimplex.py",
        "amplitude *= persistence",
        "amplitude *= 0.5",
        "tests/noise/test_opensimplex.py -k octave",
    ),
    Mutation(
        "simplex: order of axes",
        "rdpp/noise/opensimplex.py",
        "x / period, y / period, z / period)",
        "z / period, y / period, x / period)",
        "tests/noise/test_opensimplex.py -k octave",
    ),
    Mutation(
        "simplex: ties",
        "rdpp/noise/opensimplex.py",
        "int(x >= z)",
        "int(x > z)",
        "tests/noise/test_opensimplex.py -k ties",
    ),
    Mutation(
        "noise: largest size left out",
        "rdpp/noise/patches.py",
        "- self.min_size + 1)",
        "- self.min_size)",
        "tests/noise/test_simplex.py -k uniform",
    ),
    Mutation(
        "noise: clipped",
        "rdpp/noise/patches.py",
        "return noisy, mask",
        "return noisy.clamp(0, 1), mask",
        "tests/noise/test_simplex.py",
    ),
    # metrics
    Mutation(
        "AU-PRO: pixels that touch at a corner lie apart",
        "rdpp/metrics/regions.py",
        "places[upper] < place - width - 1",
        "places[upper] < place - width",
        "tests/metrics/test_regions.py",
    ),
    Mutation(
        "AU-PRO: regions reach into the next image",
        "rdpp/metrics/regions.py",
        "(rows + rows // height)",
        "rows",
        "tests/metrics/test_regions.py",
    ),
    Mutation(
        "AU-PRO: anomalous pixels left among the normal ones",
        "rdpp/metrics/pixels.py",
        "normal[:, :-1] -= anomalous",
        "normal[:, :-1] -= 0",
        _AUPRO,
    ),
    Mutation("AU-PRO: limit", "rdpp/metrics/aupro.py", "FPR_LIMIT = 0.3", "FPR_LIMIT = 0.25", _AUPRO),
    Mutation("official PRO: limit included", "rdpp/metrics/aupro.py", "fpr < FPR_LIMIT", "fpr <= FPR_LIMIT", _AUPRO),
    Mutation(
        "AUROC: ties lost",
        "rdpp/metrics/ranking.py",
        "(self.fps_above + self.fps) / 2",
        "self.fps",
        "tests/metrics/test_ranking.py",
    ),
    # configuration
    Mutation(
        "merge: settings of another kind kept",
        "rdpp/experiment.py",
        'return {"weight": old["weight"]} if "weight" in old else {}',
        "return old",
        "tests/test_experiment.py",
    ),
    Mutation(
        "config: true is a number",
        "rdpp/config.py",
        " or (isinstance(value, bool) and kind is not bool)",
        "",
        "tests/test_config.py",
    ),
    # choosing, judging
    Mutation(
        "held out: still trained on",
        "rdpp/data/held_out.py",
        "return np.sort(order[count:]), np.sort(order[:count])",
        "return np.sort(order), np.sort(order[:count])",
        _HELD,
    ),
    Mutation(
        "held out: defects without masks",
        "rdpp/data/held_out.py",
        "masks.append(mask)",
        "masks.append(0 * mask)",
        _HELD,
    ),
    Mutation(
        "selection: epochs watched on the test set",
        "rdpp/engine/train.py",
        "self.watched = held_out or load_test(",
        "self.watched = load_test(",
        _SELECTION,
    ),
    Mutation(
        "selection: the last network is tested",
        "rdpp/engine/train.py",
        "            kept.restore(epoch, self.network)\n            evaluation",
        "            evaluation",
        _SELECTION,
    ),
    Mutation(
        "selection: a later epoch wins a tie",
        "rdpp/engine/selection.py",
        "value(metrics) > ",
        "value(metrics) >= ",
        _SELECTION,
    ),
    Mutation(
        "sweep: chosen by the test set",
        "rdpp/sweep/objective.py",
        "result.deciding.metrics)",
        "result.evaluation.metrics)",
        "tests/sweep/test_study.py -k see_the_test",
    ),
    Mutation(
        "dead terms: nothing is dead",
        "rdpp/engine/inspection.py",
        "not self.rounding < 1",
        "self.rounding > 1e30",
        _INSPECTION,
    ),
    Mutation(
        "dead terms: float32 against itself",
        "rdpp/engine/inspection.py",
        "generator, torch.float64)",
        "generator, torch.float32)",
        _INSPECTION,
    ),
    Mutation(
        "accumulate: mean over all batches",
        "rdpp/engine/step.py",
        "parameter.grad /= self._summed",
        "parameter.grad /= 1",
        "tests/engine/test_step.py -k averaged",
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
    Mutation(
        "perlin: linear fade",
        "rdpp/noise/gradient_noise.py",
        "return t * t * t * (t * (t * 6 - 15) + 10)",
        "return t",
        _NOISES,
    ),
    Mutation(
        "cutpaste: in place",
        "rdpp/noise/cutpaste.py",
        "piece = images[index, :, top : top + h, left : left + w]",
        "piece = images[index, :, new_top : new_top + h, new_left : new_left + w]",
        _NOISES,
    ),
    Mutation(
        "texture: always opaque",
        "rdpp/noise/texture.py",
        "torch.lerp(images, sent(textures, images), sent(opacity, images))",
        "sent(textures, images)",
        _NOISES,
    ),
    Mutation(
        "AUPIMO: linear in the rate",
        "rdpp/metrics/aupimo.py",
        "np.diff(np.log(edges)) / math.log(upper / lower)",
        "np.diff(edges) / (upper - lower)",
        _AUPIMO,
    ),
    Mutation("AUPIMO: ties count as found", "rdpp/metrics/aupimo.py", 'side="right"', 'side="left"', _AUPIMO),
    Mutation(
        "AUPIMO: normal pixels of defective images",
        "rdpp/metrics/aupimo.py",
        "_highest(pixels.maps, good,",
        "_highest(pixels.maps, np.arange(len(labels)),",
        _AUPIMO,
    ),
    Mutation(
        "statistics: seeds as if one category",
        "rdpp/ablation/statistics.py",
        "math.sqrt(parts.sum()) / len(pairs)",
        "math.sqrt(parts.sum())",
        _STATISTICS,
    ),
    Mutation(
        "statistics: no correction", "rdpp/ablation/statistics.py", 'method="holm"', 'method="fdr_bh"', _STATISTICS
    ),
    Mutation(
        "statistics: uncorrected p decides",
        "rdpp/ablation/statistics.py",
        "return self.p_holm < ALPHA",
        "return self.p < ALPHA",
        _STATISTICS,
    ),
    Mutation(
        "statistics: seeds not resampled",
        "rdpp/ablation/statistics.py",
        "(rng.random((_RESAMPLES, count, longest)) * lengths[chosen][..., None])",
        "(0 * rng.random((_RESAMPLES, count, longest)) + np.arange(longest))",
        _STATISTICS,
    ),
    Mutation(
        "compare: the sign of a difference",
        "rdpp/ablation/statistics.py",
        "pairs[:, 0] - pairs[:, 1]",
        "pairs[:, 1] - pairs[:, 0]",
        _STATISTICS,
    ),
    Mutation(
        "ablation: data no part of a cell",
        "rdpp/ablation/config.py",
        "[essence, category.train_fingerprint]",
        "[essence]",
        _ABLATION,
    ),
    Mutation(
        "ablation: unfinished runs count", "rdpp/ablation/run.py", " and attributes.status = 'FINISHED'", "", _ABLATION
    ),
    # speed
    Mutation(
        "cosine: gradient's second part",
        "rdpp/kernels/cosine.py",
        "own, shrink, value=-1",
        "own, shrink, value=1",
        _COSINE_KERNEL,
    ),
    Mutation("ssot: annealing starts too late", "rdpp/losses/ssot.py", "_REHEARSALS = 40", "_REHEARSALS = 3", _SSOT),
    Mutation(
        "instance norm: mean of the gradient kept",
        "rdpp/kernels/instance_norm.py",
        "gradient.sub_(_mean(gradient)).addcmul_",
        "gradient.addcmul_",
        "tests/kernels/test_instance_norm.py",
    ),
    Mutation(
        "instance norm: compiled, the slope left out of the gradient",
        "rdpp/kernels/instance_norm.py",
        "part[c] += towards\n",
        "part[c] += gradient[image, pixel, c]\n",
        "tests/kernels/test_instance_norm.py",
    ),
    Mutation(
        "instance norm: compiled, the last pixels not summed",
        "rdpp/kernels/instance_norm.py",
        "% _TOGETHER == 0 or pixel + 1 == count:\n                total += part\n                along",
        "% _TOGETHER == 0:\n                total += part\n                along",
        "tests/kernels/test_instance_norm.py",
    ),
    Mutation(
        "cosine: compiled, the other's square",
        "rdpp/kernels/cosine.py",
        "b += others[i] * others[i]",
        "b += a",
        _COSINE_KERNEL,
    ),
    Mutation(
        "cosine: any layout taken for rows",
        "rdpp/kernels/cosine.py",
        " or not dense",
        "",
        _COSINE_KERNEL,
    ),
    Mutation(
        "ssot: gradients to the columns' points",
        "rdpp/losses/ssot.py",
        "torch.diag(gradient.sum(1)) - gradient)",
        "torch.diag(gradient.sum(0)) - gradient.T)",
        _SSOT,
    ),
    Mutation(
        "threads: torch left with numba's threads",
        "rdpp/kernels/threads.py",
        "    torch.set_num_threads(threads)\n",
        "",
        "tests/kernels/test_threads.py",
    ),
    Mutation("winograd: weights not reversed", _WINOGRAD, "[:, ::-1, ::-1]", "", _CONVOLUTION),
    Mutation("winograd: a wrong coefficient", _WINOGRAD, "_EIGHT * far_odd + x", "_FOUR * far_odd + x", _CONVOLUTION),
    Mutation("winograd: a border of the image", _WINOGRAD, "if row > 0 else nothing", "", _CONVOLUTION),
    Mutation("winograd: the last images alone", _WINOGRAD, "beta=min(number, 1)", "beta=0", _CONVOLUTION),
    Mutation("winograd: one part of filters", _WINOGRAD, "range(0, outputs, step)", "range(0, 1)", _CONVOLUTION),
    Mutation("winograd: no bias", _WINOGRAD, "far_odd + x[5, k] + offsets[k]", "far_odd + x[5, k]", _CONVOLUTION),
    Mutation("winograd: where it does not pay", _WINOGRAD, " + 400 * pairs + 4_000_000", "", _CONVOLUTION),
    Mutation(
        "convolution: old weights in oneDNN's order",
        "rdpp/kernels/convolution.py",
        "weight._version, weight.data_ptr()",
        "0, weight.data_ptr()",
        _CONVOLUTION,
    ),
    Mutation(
        "convolution: ordered weights where gradients are wanted",
        "rdpp/kernels/convolution.py",
        "torch.is_grad_enabled() or ",
        "",
        _CONVOLUTION,
    ),
    Mutation(
        "projection: biases trained",
        "rdpp/models/projection.py",
        "convolution.without_bias(x)",
        "convolution(x)",
        _CONVOLUTION,
    ),
    Mutation(
        "convolution: the product without stride",
        "rdpp/kernels/convolution.py",
        "stride[0] * row",
        "row",
        _CONVOLUTION,
    ),
    Mutation(
        "convolution: the bias's gradient",
        "rdpp/kernels/convolution.py",
        "gradient.sum((0, 2, 3))",
        "gradient.mean((0, 2, 3))",
        _CONVOLUTION,
    ),
    Mutation(
        "convolution: float32 where bf16 was asked for",
        "rdpp/kernels/convolution.py",
        ' and not torch.is_autocast_enabled("cpu")',
        "",
        _CONVOLUTION,
    ),
    Mutation(
        "convolution: NaN spreads by the product",
        "rdpp/kernels/convolution.py",
        "padding == (0, 0) or bool(found.isfinite().all())",
        "True",
        "tests/kernels/test_conformance.py -k nan",
    ),
    Mutation(
        "winograd: NaN spreads over a tile",
        _WINOGRAD,
        "largest.max() < _INFINITY",
        "largest.max() >= 0",
        "tests/kernels/test_winograd.py",
    ),
    Mutation(
        "kernels: silent second derivatives",
        "rdpp/kernels/derivative.py",
        "if torch.is_grad_enabled():",
        "if False:",
        "tests/kernels/test_conformance.py -k second",
    ),
    Mutation(
        "kernels: traced by torch's exporter",
        "rdpp/kernels/switch.py",
        " and not torch.compiler.is_compiling()",
        "",
        "tests/kernels/test_switch.py",
    ),
    Mutation(
        "threads: a fork goes unnoticed",
        "rdpp/kernels/threads.py",
        "_started.cache_info().currsize > 0",
        "False",
        "tests/kernels/test_threads.py",
    ),
    Mutation(
        "features: kept whatever the kernels",
        "rdpp/engine/teacher_features.py",
        "torch.get_num_threads(), kernels.are_on()",
        "torch.get_num_threads()",
        _FEATURES,
    ),
    Mutation("doubling: rows as columns", "rdpp/kernels/convolution.py", ".transpose(2, 3)", "", _CONVOLUTION),
    Mutation(
        "adam: gradients as they lie",
        "rdpp/engine/adam.py",
        "if gradient.stride() == parameter.stride() else",
        "if gradient.shape == parameter.shape else",
        "tests/engine/test_adam.py",
    ),
    Mutation(
        "folding: transposed convolutions like the others",
        "rdpp/models/folding.py",
        "isinstance(conv, nn.ConvTranspose2d))",
        "False)",
        "tests/models/test_folding.py",
    ),
    Mutation(
        "adam: one step for all",
        "rdpp/engine/adam.py",
        "lr=group.rate",
        "lr=self._groups[0].rate",
        "tests/engine/test_adam.py",
    ),
    Mutation(
        "features: splits mixed up",
        "rdpp/engine/teacher_features.py",
        "teacher.fingerprint, split.key,",
        "teacher.fingerprint,",
        _FEATURES,
    ),
    Mutation("features: budget ignored", "rdpp/engine/teacher_features.py", "0 < size <= left", "0 < size", _FEATURES),
    Mutation(
        "features: nothing makes room", "rdpp/engine/teacher_features.py", "if excess <= 0:", "if True:", _FEATURES
    ),
    Mutation(
        "features: of other images",
        "rdpp/engine/feed.py",
        "self.features.of(indices)",
        "self.features.of(indices.flip(0))",
        _FEATURES,
    ),
    Mutation(
        "held out: one key for both parts",
        "rdpp/data/held_out.py",
        "{split.key}, {name}",
        "{split.key}",
        "tests/data/test_held_out.py",
    ),
    Mutation(
        "writer: closing jobs are dropped", "rdpp/tracking/writer.py", "store is None or not closing", "True", _WRITER
    ),
    Mutation("writer: errors are kept", "rdpp/tracking/writer.py", "if value is None:", "if False:", _WRITER),
    Mutation(
        "counting: a number equal to a score counts as above it",
        "rdpp/kernels/counting.py",
        "first += scores[first] < number",
        "first += scores[first] <= number",
        _COUNTING,
    ),
    Mutation(
        "counting: a slot of many scores is not searched",
        "rdpp/kernels/counting.py",
        "while end - first > 1:",
        "while end - first > 1000:",
        _COUNTING,
    ),
    Mutation(
        "counting: numbers that still wait at the end are lost",
        "rdpp/kernels/counting.py",
        "for part in range(_RANGES):",
        "for part in range(_RANGES - 1):",
        _COUNTING,
    ),
    Mutation(
        "counting: numbers beyond the scores",
        "rdpp/kernels/counting.py",
        "slot = np.uint32(where if where < last else last)",
        "slot = np.uint32(where % (last + 1))",
        _COUNTING,
    ),
    # length, pruning
    Mutation(
        "patience: better epochs do not count",
        "rdpp/engine/train.py",
        "self.waited = 0 if chosen else self.waited + 1",
        "self.waited += 1",
        _LENGTH,
    ),
    Mutation(
        "patience: one evaluation more",
        "rdpp/engine/train.py",
        "final or self.waited == config.patience",
        "final or self.waited - 1 == config.patience",
        _LENGTH,
    ),
    Mutation(
        "steps: the last epoch is not cut",
        "rdpp/engine/train.py",
        "        order = order[: self.steps - self.batch]\n",
        "",
        _LENGTH,
    ),
    Mutation(
        "halving: a run that stopped early lags behind",
        "rdpp/sweep/halving.py",
        "(own if ended else self._evaluation)",
        "self._evaluation",
        _HALVING,
    ),
    Mutation(
        "halving: the latest evaluation, not the one that counts",
        "rdpp/sweep/halving.py",
        "if event.chosen or self._last_counts:",
        "if event:",
        _HALVING,
    ),
    Mutation(
        "halving: a trial tried again meets itself",
        "rdpp/sweep/halving.py",
        " if trial.state != TrialState.FAIL]",
        "]",
        _HALVING,
    ),
    Mutation(
        "budget: what is spent is forgotten",
        "rdpp/sweep/study.py",
        "spent_steps(study) >= sweep.budget",
        "spent_steps(study) >= sweep.budget + 2",
        f"{_HALVING} -k budget",
    ),
    Mutation(
        "near: statistics of a crop",
        "rdpp/kernels/nearby.py",
        "isinstance(layer, nn.BatchNorm2d) and layer.training",
        "False",
        _NEARBY,
    ),
    Mutation("near: no margin", "rdpp/kernels/nearby.py", "-(-self.reach // self.stride)", "0", _NEARBY),
    Mutation("near: reach too short", "rdpp/kernels/nearby.py", "width // 2 * stride", "width // 4 * stride", _NEARBY),
    Mutation("near: known features overwritten", "rdpp/kernels/nearby.py", "known.clone()", "known", _NEARBY),
    Mutation("detector: bytes as they are", "rdpp/detector.py", ".div_(255)", "", _INFERENCE),
    Mutation(
        "bf16: losses in bf16",
        "rdpp/types.py",
        "stage if stage.dtype == torch.float64 else stage.float()",
        "stage",
        "tests/engine/test_precision.py -k bf16",
    ),
    Mutation(
        "metrics: numba's threads",
        "rdpp/kernels/threads.py",
        "    return len(os.sched",
        "    import numba\n\n    numba.get_num_threads()\n    return len(os.sched",
        "tests/metrics/test_summary.py",
    ),
]
