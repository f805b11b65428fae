"""Mutations of rdpp/cli, rdpp/display and rdpp/built_in.py."""

from mutations.mutation import Mutation

MUTATIONS = [
    Mutation(
        "screen: runs that had finished before count as worked at",
        "rdpp/display/screen.py",
        "self._worked += step if step < 1 else 0.0",
        "self._worked += step",
        "tests/display/test_console.py -k minute",
    ),
    Mutation(
        "screen: runs that finished before take time",
        "rdpp/display/screen.py",
        "self._runs - self._finished - self._worked",
        "self._runs - self._worked",
        "tests/display/test_time_left.py",
    ),
    Mutation(
        "ablate: the time left counts runs that finished before",
        "rdpp/ablation/command.py",
        "screen.finished_before(done)",
        "pass",
        "tests/test_cli.py -k finished_before",
    ),
    Mutation(
        "train: the time left forgets runs that are trained anew",
        "rdpp/workers/grid.py",
        "is_finished(plan.spec, tree, options.since)",
        "is_finished(plan.spec, tree)",
        "tests/test_cli.py -k finished_before",
    ),
    Mutation(
        "built-in: init writes over a user's file",
        "rdpp/built_in.py",
        "if path.exists() and not replace:",
        "if False:",
        "tests/test_built_in.py -k init",
    ),
    Mutation(
        "init: the next steps do not enter the folder",
        "rdpp/cli/init.py",
        'enter = "" if options.folder == Path()',
        'enter = "" if options.folder',
        "tests/test_built_in.py -k next",
    ),
    Mutation(
        "help: a first step that cannot be given",
        "rdpp/cli/__init__.py",
        "  rdpp sweep demo --workers 2",
        "  rdpp sweep demo --wrkers 2",
        "tests/test_cli.py -k first_steps",
    ),
    Mutation(
        "built-in: a name goes before a file",
        "rdpp/built_in.py",
        "if path.is_file():",
        "if path.is_file() and str(given) not in FILES[kind]:",
        "tests/test_built_in.py -k before",
    ),
    Mutation(
        "built-in: a file of another kind is read",
        "rdpp/built_in.py",
        "if found is None or found == kind:",
        "if True:",
        "tests/test_built_in.py -k another_kind",
    ),
    Mutation(
        "cli: a setting in three words is not told",
        "rdpp/cli/words.py",
        'if flag == "--set" and',
        "if False and",
        "tests/test_cli.py -k words",
    ),
]
