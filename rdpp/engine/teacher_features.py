"""The teacher's features of whole splits, computed once and shared by all runs of a process that fit a budget."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from rdpp import kernels
from rdpp.data import Split, ordered
from rdpp.models import Teacher
from rdpp.types import Stages

_GB = 10**9


class TeacherFeatures:
    """(N, C_k, H_k, W_k) a stage, channels_last, on the teacher's device."""

    def __init__(self, stages: Stages) -> None:
        self._stages = [stage.permute(0, 2, 3, 1).contiguous() for stage in stages]

    def of(self, indices: Tensor) -> Stages:
        """Stages of these images."""
        where = indices.to(self._stages[0].device, non_blocking=True)
        return tuple(stage.index_select(0, where).permute(0, 3, 1, 2) for stage in self._stages)

    @property
    def bytes(self) -> int:
        """Memory taken."""
        return sum(stage.nbytes for stage in self._stages)


_kept: OrderedDict[tuple[object, ...], TeacherFeatures] = OrderedDict()  # the least recently used first


def forget_features() -> None:
    """Give back the memory of all kept features."""
    _kept.clear()


def teacher_features(
    teacher: Teacher, splits: Sequence[Split], gigabytes: float, batch_size: int
) -> list[TeacherFeatures | None]:
    """The features of the splits of one run, None for those that do not fit the budget beside the ones before them.

    What earlier runs left is used again, and dropped where this run needs its room. The result is the same
    whatever ran before: to the last digit what the teacher gives for batches of this size in the split's order.
    """
    left, wanted = gigabytes * _GB, []
    for split in splits:
        size = _bytes(teacher, split) if left > 0 else 0
        fits = 0 < size <= left
        left -= size if fits else 0
        wanted.append(_key(teacher, split, batch_size) if fits else None)
    _make_room(wanted, left)
    return [key and _features(key, teacher, split, batch_size) for key, split in zip(wanted, splits, strict=True)]


def _make_room(wanted: Sequence[tuple[object, ...] | None], left: float) -> None:
    others = [key for key in _kept if key not in wanted]
    excess = sum(_kept[key].bytes for key in others) - left
    for key in others:
        if excess <= 0:
            break
        excess -= _kept.pop(key).bytes


def _features(key: tuple[object, ...], teacher: Teacher, split: Split, batch_size: int) -> TeacherFeatures:
    if key not in _kept:
        parts = [_compute(teacher, split, rows) for rows in ordered(len(split), batch_size)]
        _kept[key] = TeacherFeatures(tuple(torch.cat(stage) for stage in zip(*parts, strict=True)))
    _kept.move_to_end(key)
    return _kept[key]


def _compute(teacher: Teacher, split: Split, rows: Tensor) -> Stages:
    images = torch.from_numpy(split.images[rows.numpy()])
    return teacher(images.to(teacher.mean.device))


def _bytes(teacher: Teacher, split: Split) -> int:
    return len(split) * sum(stage.nbytes for stage in _compute(teacher, split, torch.arange(1)))


def _key(teacher: Teacher, split: Split, batch_size: int) -> tuple[object, ...]:
    """All that decides the features, rounding and place included."""
    device = teacher.mean.device
    low = torch.is_autocast_enabled(device.type)
    how = low, torch.get_num_threads(), kernels.are_on()
    return teacher.fingerprint, split.key, batch_size, device, teacher.mean.dtype, *how
