"""The words of a command line: what argparse alone would misread, or refuse without a remedy."""

import argparse
import re
from collections.abc import Sequence

from rdpp.config import ConfigError


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """What they say.

    Raises:
        ConfigError: --set in several words, or words that the command does not take.
        SystemExit: what argparse itself refuses, or help.
    """
    _check_settings(words)
    options, rest = parser.parse_known_args(_joined(words))
    if not rest:
        return options
    told = f"rdpp {words[0]} --help lists what it takes"
    if "--seeds" in words and not rest[0].startswith("-"):
        told = f"--seeds takes whole numbers, such as --seeds 1,2,3; {told}"
    raise ConfigError(f"unexpected {' '.join(rest)}; {told}")


def _check_settings(words: Sequence[str]) -> None:
    """`--set a = b` is three words of a shell."""
    for flag, key, equals, *more in (words[i : i + 4] for i in range(len(words) - 2)):
        if flag == "--set" and "=" not in key and equals.startswith("="):
            value = equals[1:] or (more[0] if more else "VALUE")
            raise ConfigError(f"--set takes KEY=VALUE as one word, without blanks: --set {key}={value}")


def _joined(words: Sequence[str]) -> list[str]:
    """`--seeds 1 2 3` as `--seeds 1,2,3`: argparse would take a file after the seeds for one of them."""
    joined: list[str] = []
    in_seeds = False
    for word in words:
        number = re.fullmatch(r"\d+(,\d+)*", word)
        if in_seeds and number and joined[-1] != "--seeds":
            joined[-1] += f",{word}"
        else:
            joined.append(word)
        in_seeds = word == "--seeds" or (in_seeds and number is not None)
    return joined
