"""The mutations of `make mutants` fit the code as it is now: one that does not would break nothing."""

import shlex
from collections import Counter
from pathlib import Path

import pytest
from mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_fits_the_code(mutation: Mutation):
    assert (ROOT / mutation.file).read_text().count(mutation.old) == 1
    assert mutation.new != mutation.old
    files = [argument.partition("::")[0] for argument in shlex.split(mutation.tests) if argument.startswith("tests/")]
    assert files
    assert all((ROOT / file).exists() for file in files), files


def test_names_of_mutations_are_unique():
    assert [name for name, count in Counter(mutation.name for mutation in MUTATIONS).items() if count > 1] == []
