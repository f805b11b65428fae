"""Variants of the tiny experiment."""

VARIANTS = {
    "rd": {"projection": False, "noise": None, "losses": {"ssot": None, "reconstruction": None, "contrast": None}},
    "ot": {"noise": None, "losses": {"reconstruction": None, "contrast": None}},
}
RELEASED = {"noise": {"field": "run"}, "losses": {"ssot": {"pairing": "batch"}, "contrast": {"margin": 0.5}}}
