"""Variants of the tiny experiment."""

import dataclasses

VARIANTS = {
    "rd": {"projection": False, "noise": None, "losses": {"ssot": None, "reconstruction": None, "contrast": None}},
    "ot": {"noise": None, "losses": {"reconstruction": None, "contrast": None}},
}
RELEASED = {"noise": {"field": "run"}, "losses": {"ssot": {"pairing": "batch"}, "contrast": {"margin": 0.5}}}


def with_copies(found, variant, count):
    """A set of runs with further variants, whose runs are those of one of its own."""
    names = [f"{variant} {number}" for number in range(count)]
    own = [run for run in found.runs if run.variant == variant]
    more = [dataclasses.replace(run, variant=name) for name in names for run in own]
    return dataclasses.replace(found, variants=(*found.variants, *names), runs=(*found.runs, *more))
