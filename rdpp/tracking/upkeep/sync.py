"""`rdpp sync`: sends what waits on disk, whichever process has put it there."""

from rdpp.config import ConfigError
from rdpp.tracking.conventions.location import tracking_uri, unusable, work_folder
from rdpp.tracking.outbox.outboxes import Outbox, Outboxes
from rdpp.tracking.outbox.sender import Held, Sender, finish_dead, is_alive


def sync(uri: str | None) -> str:
    """Send every record that waits for a store.

    Returns:
        How many it were, in one line.

    Raises:
        ConfigError: the store cannot be reached, or refuses a record.
    """
    uri = tracking_uri(uri)
    outboxes = Outboxes.of(work_folder(uri), uri)
    with outboxes.work.in_use():
        return _sync(outboxes, uri)


def _sync(outboxes: Outboxes, uri: str) -> str:
    for outbox in outboxes.all():
        finish_dead(outboxes, outbox)
    waiting = [outbox for outbox in outboxes.all() if outbox.waiting()]
    if not waiting:
        return f"nothing waits in {outboxes.root}"
    from rdpp.tracking.sink import StoreSink
    from rdpp.tracking.store.mlflow_store import Store
    from rdpp.tracking.store.outage import outage

    sender = Sender(outboxes, StoreSink(Store(uri), outboxes.work), lambda error: outage(error, uri))
    held = 0
    for outbox in waiting:
        try:
            _send(sender, outboxes, outbox, uri)
        except Held:
            held += 1
    being_sent = f"; {held} more are sent by the process that works at them" if held else ""
    return f"sent {sender.sent} records of {len(waiting) - held} runs{being_sent}"


def _send(sender: Sender, outboxes: Outboxes, outbox: Outbox, uri: str) -> None:
    if is_alive(outboxes, outbox):
        raise Held
    try:
        error = sender.send(outbox)
    except Held:
        raise
    except Exception as error:
        raise unusable(uri, error) from error
    if error is not None:
        raise ConfigError(
            f"MLflow refused a record ({type(error).__name__}: {error}); it lies in {outbox.records}, and the others "
            "are sent; delete it to go without"
        )
