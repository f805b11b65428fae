"""How often something is done, as text: `10 min`, `2 epochs`, `50 batches`."""

import re
from dataclasses import dataclass

from rdpp.config import ConfigError

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Interval:
    """A number of seconds, of epochs or of batches; exactly one of them is set."""

    seconds: float | None = None
    epochs: int | None = None
    batches: int | None = None

    @classmethod
    def parse(cls, text: str, setting: str) -> "Interval | None":
        """Read one; None for `auto`.

        Args:
            text: such as `10 min`.
            setting: its name, for the message.

        Raises:
            ConfigError: it is none.

        >>> Interval.parse("1.5 min", "checkpoint_every")
        Interval(seconds=90.0, epochs=None, batches=None)
        >>> Interval.parse("2 epochs", "checkpoint_every")
        Interval(seconds=None, epochs=2, batches=None)
        """
        if text == "auto":
            return None
        match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|min|h|epochs?|batch(?:es)?)", text)
        if match and float(match.group(1)) > 0:
            number, unit = match.groups()
            if unit in _SECONDS:
                return cls(seconds=float(number) * _SECONDS[unit])
            if number.isdigit():
                return cls(epochs=int(number)) if unit.startswith("epoch") else cls(batches=int(number))
        raise ConfigError(
            f"{setting} is '{text}'; give a number and a unit (s, min, h; whole epochs or batches), such as 10 min or "
            "2 epochs, or auto"
        )
