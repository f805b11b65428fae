"""Mutations of `rdpp export`, in rdpp/deploy."""

from mutations.mutation import Mutation

_EXPORT, _PROGRAM = "rdpp/deploy/export.py", "rdpp/deploy/program.py"
_TESTS = "tests/deploy/test_export.py"
_DIFFERS = f"{_TESTS} -k that_differs"
_WHOLE_WAY = f"{_TESTS} -k whole_way"

MUTATIONS = [
    Mutation("export: a program that differs is written", _EXPORT, "difference <= TOLERANCE,", "True,", _DIFFERS),
    Mutation(
        "export: scores are not compared",
        _EXPORT,
        "found += [np.abs(maps - wanted.map).max(), np.abs(scores - wanted.score).max()]",
        "found += [np.abs(maps - wanted.map).max()]",
        _DIFFERS,
    ),
    Mutation(
        "export: maps are not compared",
        _EXPORT,
        "found += [np.abs(maps - wanted.map).max(), np.abs(scores - wanted.score).max()]",
        "found += [np.abs(scores - wanted.score).max()]",
        _DIFFERS,
    ),
    Mutation("export: batches are not compared", _EXPORT, "for count in (1, 2):", "for count in (1,):", _DIFFERS),
    Mutation(
        "export: one image is compared",
        _EXPORT,
        "_difference(model, run, one) for one in pixels)",
        "_difference(model, run, one) for one in pixels[:1])",
        _DIFFERS,
    ),
    Mutation(
        "export: what was begun stays", _EXPORT, "        scratch.unlink(missing_ok=True)\n", "        pass\n", _DIFFERS
    ),
    Mutation(
        "export: images of 16 bits lose their low bits",
        _EXPORT,
        "bool(np.abs(pixels - whole).max() < 1e-3),",
        "True,",
        f"{_TESTS} -k do_not_take",
    ),
    Mutation(
        "export: thresholds are left out",
        _EXPORT,
        "model.thresholds and model.thresholds.to_mapping()",
        "None",
        f"{_TESTS} -k what_was_written",
    ),
    Mutation(
        "export: the key of the training images is left out",
        _EXPORT,
        '"data": model.data,',
        '"data": "",',
        f"{_TESTS} -k what_was_written",
    ),
    Mutation(
        "export: the released code gets a network without projection",
        _EXPORT,
        "            checkpoint.experiment.projection,\n",
        "            True,\n",
        f"{_TESTS} -k without_projection",
    ),
    Mutation(
        "export: padded sides are rounded down",
        _PROGRAM,
        "torch.round(scale * one)",
        "torch.floor(scale * one)",
        _WHOLE_WAY,
    ),
    Mutation("export: maps of padded images are shifted", _PROGRAM, ".moved(extent.start)", "", _WHOLE_WAY),
    Mutation(
        "export: the padding counts in scores",
        _PROGRAM,
        "maps[:, 0].index_select(1, down.inside()).index_select(2, across.inside())",
        "maps[:, 0]",
        _WHOLE_WAY,
    ),
    Mutation(
        "export: resized images are shifted by half a pixel",
        _PROGRAM,
        "((positions.float() + 0.5) * (old.float() / new.float()) - 0.5)",
        "(positions.float() * (old.float() / new.float()))",
        _WHOLE_WAY,
    ),
]
