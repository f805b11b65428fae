"""`rdpp ablate`."""

from functools import partial

from rdpp.ablation.config import AblationConfig
from rdpp.ablation.run import matrix, missing, run_ablation
from rdpp.display.console import ConsoleObserver
from rdpp.display.screen import Terminal
from rdpp.stopping import Stop
from rdpp.workers import WorkOptions, work_at_grid


def ablate(ablation: AblationConfig, options: WorkOptions, stop: Stop) -> tuple[str, int]:
    """Run what is missing of an ablation's matrix.

    Returns:
        The id of its MLflow run, and how many runs failed.

    Raises:
        ConfigError: what a user can mend.
    """
    whole = matrix(ablation)
    with options.tree() as tree, Terminal(len(whole)) as screen:
        done = len(whole) - len(missing(whole, tree, options.since))
        screen.finished_before(done)
        screen.line(
            f"ablation {ablation.name}: {done} of {len(whole)} runs done; "
            f"{len(ablation.variants)} variants, baseline {ablation.baseline}"
        )
        console = ConsoleObserver(screen)
        train_all = partial(work_at_grid, tree=tree, screen=screen, options=options, stop=stop, variants=True)
        node, job = run_ablation(ablation, whole, tree, [console], train_all)
        return tree.run_id(node), len(job.failures)
