"""The mutations by package. Each breaks the method in one way that a reader of the paper would call wrong."""

from mutations import (
    bench,
    cli,
    comparison,
    config,
    data,
    deploy,
    detector,
    download,
    engine,
    export,
    kernels,
    losses,
    metrics,
    models,
    noise,
    replay,
    runs,
    sweep,
    tracking,
)
from mutations.mutation import Mutation

_MODULES = (
    bench,
    cli,
    comparison,
    config,
    data,
    deploy,
    detector,
    download,
    engine,
    export,
    kernels,
    losses,
    metrics,
    models,
    noise,
    replay,
    runs,
    sweep,
    tracking,
)

MUTATIONS = [mutation for module in _MODULES for mutation in module.MUTATIONS]

__all__ = ["MUTATIONS", "Mutation"]
