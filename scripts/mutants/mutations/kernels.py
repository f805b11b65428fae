"""Mutations of rdpp/kernels."""

from mutations.mutation import Mutation

_COSINE_KERNEL = "tests/kernels/test_cosine.py"
_CONVOLUTION = "tests/kernels/test_convolution.py"
_WINOGRAD = "rdpp/kernels/winograd.py"
_NEARBY = "tests/kernels/test_incremental.py"
_COUNTING = "tests/kernels/test_counting.py"

MUTATIONS = [
    Mutation(
        "cosine: gradient's second part",
        "rdpp/kernels/cosine.py",
        "own, shrink, value=-1",
        "own, shrink, value=1",
        _COSINE_KERNEL,
    ),
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
        "% _TOGETHER == 0 or pixel + 1 == count:\n                _move(part, total)\n                _move(part_along",
        "% _TOGETHER == 0:\n                _move(part, total)\n                _move(part_along",
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
        f"{_CONVOLUTION} -k ordered",
    ),
    Mutation(
        "convolution: ordered weights where gradients are wanted",
        "rdpp/kernels/convolution.py",
        "torch.is_grad_enabled() or ",
        "",
        f"{_CONVOLUTION} -k ordered",
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
    Mutation("doubling: rows as columns", "rdpp/kernels/convolution.py", ".transpose(2, 3)", "", _CONVOLUTION),
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
    Mutation(
        "near: statistics of a crop",
        "rdpp/kernels/incremental.py",
        "isinstance(layer, nn.BatchNorm2d) and layer.training",
        "False",
        _NEARBY,
    ),
    Mutation("near: no margin", "rdpp/kernels/incremental.py", "-(-self.reach // self.stride)", "0", _NEARBY),
    Mutation(
        "near: reach too short", "rdpp/kernels/incremental.py", "width // 2 * stride", "width // 4 * stride", _NEARBY
    ),
    Mutation("near: known features overwritten", "rdpp/kernels/incremental.py", "known.clone()", "known", _NEARBY),
    Mutation(
        "metrics: numba's threads",
        "rdpp/kernels/threads.py",
        "    return len(os.sched",
        "    import numba\n\n    numba.get_num_threads()\n    return len(os.sched",
        "tests/metrics/test_summary.py",
    ),
]
