"""`rdpp completion`."""

import argparse

HELP = "print a script that completes commands and flags in a shell"
EXAMPLES = """  rdpp completion bash > ~/.local/share/bash-completion/completions/rdpp
  rdpp completion zsh > ~/.zsh/_rdpp"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"], help="which shell")


def run(options: argparse.Namespace) -> None:
    """Print the script."""
    import shtab

    from rdpp.cli import build_parser
    from rdpp.display.output import results

    print(shtab.complete(build_parser(), options.shell), file=results())
