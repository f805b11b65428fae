import dataclasses

import torch

from rdpp.engine.seeding import streams


def numbers(seed):
    used = streams(seed)
    return {
        field.name: tuple(torch.rand(4, generator=getattr(used, field.name)).tolist())
        for field in dataclasses.fields(used)
    }


def test_a_seed_decides_every_stream_alone():
    torch.manual_seed(1)
    first = numbers(7)
    torch.manual_seed(2)
    assert numbers(7) == first


def test_uses_and_seeds_have_streams_of_their_own():
    drawn = [values for seed in (0, 1, 2, 111) for values in numbers(seed).values()]
    assert len(set(drawn)) == 4 * 4


def test_a_draw_more_in_one_stream_changes_no_other():
    used = streams(3)
    torch.rand(100, generator=used.noise)
    assert tuple(torch.rand(4, generator=used.losses).tolist()) == numbers(3)["losses"]


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    numbers(5)
    assert torch.equal(torch.get_rng_state(), before)
