"""Any name as a key of MLflow's, and back.

MLflow's keys of metrics and pictures take letters and digits of ASCII, `_`, `-`, `.`, spaces and `/` only. A character
that they do not take becomes `..`, its code point in hexadecimal digits, and `.`.
"""

import re

_REFUSED = re.compile(r"[^A-Za-z0-9_\-. /]|\.(?=\.)|(?<=\.)\.")
"""A dot beside a dot too, so that no name looks like a key."""
_WRITTEN = re.compile(r"\.\.([0-9a-f]+)\.")


def key_of(name: str) -> str:
    """A key that MLflow takes; most names are their own keys.

    >>> key_of("image_auroc/scratch (deep)")
    'image_auroc/scratch ..28.deep..29.'
    """
    return _REFUSED.sub(lambda found: f"..{ord(found[0]):x}.", name)


def name_of(key: str) -> str:
    """The name that a key was made of.

    >>> name_of(key_of("a.b..c (1).png"))
    'a.b..c (1).png'
    """
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), key)
