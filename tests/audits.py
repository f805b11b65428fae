"""A store with one run that was looked at on the test images in several epochs."""

from types import SimpleNamespace


def audited_store(series, prefix="audit/"):
    """`series`: by metric, the values of epochs; `prefix`: what their names begin with."""
    logged = {f"{prefix}{name}": values for name, values in series.items()}

    def history(run_id, key):
        return [SimpleNamespace(step=step, value=value) for step, value in logged[key].items()]

    run = SimpleNamespace(info=SimpleNamespace(run_id="a"), data=SimpleNamespace(metrics=dict.fromkeys(logged, 0.0)))
    return SimpleNamespace(client=SimpleNamespace(get_run=lambda run_id: run, get_metric_history=history))


def audited_run(watched="held_out/"):
    """The run as comparisons know it; `watched` is empty where it was evaluated on the test images alone."""
    return SimpleNamespace(run_id="a", logged=frozenset([f"{watched}image_auroc"]))
