"""Runs read back from a store: finished ones, their checkpoints and configurations, and an evaluation of them."""
