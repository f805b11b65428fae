"""A store with one run that was looked at on the test images in several epochs."""

from types import SimpleNamespace


def audited_store(series):
    """`series`: by metric, the values of epochs."""

    def history(run_id, key):
        return [SimpleNamespace(step=step, value=value) for step, value in series[key.removeprefix("audit/")].items()]

    logged = {f"audit/{name}": 0.0 for name in series}
    run = SimpleNamespace(info=SimpleNamespace(run_id="a"), data=SimpleNamespace(metrics=logged))
    return SimpleNamespace(client=SimpleNamespace(get_run=lambda run_id: run, get_metric_history=history))
