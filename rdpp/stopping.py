"""How a process is asked to stop."""


class Stopped(BaseException):
    """The user or the system asked this process to stop."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal
