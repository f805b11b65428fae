"""What mkdocs asks while it builds the site: a line `<!-- generated: NAME -->` becomes what the code itself says."""

import re

import commands
import configuration
import rooms

PARTS = {
    "experiment": configuration.experiment,
    "noises": configuration.noises,
    "losses": configuration.losses,
    "sweep": configuration.sweep,
    "ablation": configuration.ablation,
    "command table": commands.table,
    "commands": commands.sections,
    "rooms": rooms.table,
}


def on_page_markdown(markdown: str, **_: object) -> str:
    """Fill in the generated parts of a page."""
    return re.sub(r"^<!-- generated: (.+) -->$", lambda found: PARTS[found[1]](), markdown, flags=re.MULTILINE)
