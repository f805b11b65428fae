"""The teacher of a run: each is loaded once a process and shared by all runs, since nothing changes it."""

import os
from collections import OrderedDict
from pathlib import Path

import torch

from rdpp.engine.device import to_device
from rdpp.models import Teacher, TeacherConfig, load_teacher

_MOST = 2
"""Teachers in memory at a time."""
_loaded: OrderedDict[tuple[object, ...], Teacher] = OrderedDict()  # the least recently used first
_fingerprints: dict[tuple[object, ...], str] = {}


def shared_teacher(config: TeacherConfig, seed: int, device: torch.device | str, *, compiled: bool = False) -> Teacher:
    """The teacher on a device, in the layout that is fastest there; the same object while it is in memory.

    Args:
        config: which teacher.
        seed: of the run, which random weights are drawn from.
        device: where it computes.
        compiled: by torch's compiler.

    Raises:
        ConfigError: weights that cannot be had or do not fit.
    """
    key = (*_key(config, seed), str(device), compiled)
    if key not in _loaded:
        teacher = to_device(load_teacher(config, seed), device)
        if compiled:
            teacher.compile(dynamic=False)
        _fingerprints[_key(config, seed)] = teacher.fingerprint
        _loaded[key] = teacher
        while len(_loaded) > _MOST:
            _loaded.popitem(last=False)
    _loaded.move_to_end(key)
    return _loaded[key]


def teacher_fingerprint(config: TeacherConfig, seed: int, device: torch.device | str) -> str:
    """Sixteen hexadecimal digits of the teacher's weights; loads it where that has not been done yet."""
    key = _key(config, seed)
    if key not in _fingerprints:
        shared_teacher(config, seed, device)
    return _fingerprints[key]


def _key(config: TeacherConfig, seed: int) -> tuple[object, ...]:
    """What decides the weights: a file that was changed is another one."""
    if config.weights == "random":
        return config, seed
    if config.weights == "default":
        return (config,)
    path = Path(config.weights).expanduser()
    status = os.stat(path) if path.is_file() else None  # load_teacher tells what is wrong with it
    return config, status and (status.st_size, status.st_mtime_ns, status.st_ino)
