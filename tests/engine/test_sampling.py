"""Laws: the draws are a pure function of (seed, rank, draw number); evaluation takes every image once."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detplug.engine import sampling
from detplug.engine.sampling import DrawSampler, EvaluationSampler
from detplug.errors import UserError


def on_rank(rank: int, world_size: int, kind, *args, **kwargs):
    """A sampler as process ``rank`` of ``world_size`` builds it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, 'get_dist_info', lambda: (rank, world_size))
        return kind(*args, **kwargs)


@given(size=st.integers(1, 30), world_size=st.integers(1, 4), passes=st.integers(1, 3), seed=st.integers(0, 2**31))
def test_every_image_once_a_pass_over_all_processes(size, world_size, passes, seed):
    streams = [on_rank(rank, world_size, DrawSampler, range(size), seed) for rank in range(world_size)]
    draws = [list(islice(stream, -(-size * passes // world_size))) for stream in streams]
    together = [draws[i % world_size][i // world_size][1] for i in range(size * passes)]
    for number in range(passes):
        assert sorted(together[number * size : (number + 1) * size]) == list(range(size))
    assert all([draw for draw, _ in part] == list(range(len(part))) for part in draws)


@given(size=st.integers(1, 30), start=st.integers(0, 100), rank=st.integers(0, 2))
def test_starting_later_continues_the_same_stream(size, start, rank):
    whole = on_rank(rank, 3, DrawSampler, range(size), 5)
    resumed = on_rank(rank, 3, DrawSampler, range(size), 5)
    resumed.start_at(start)
    assert list(islice(resumed, 20)) == list(islice(whole, start, start + 20))


def test_passes_and_seeds_differ():
    def order(seed, start):
        sampler = DrawSampler(range(50), seed)
        sampler.start_at(start)
        return [index for _, index in islice(sampler, 50)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(2, 0) and order(1, 0) != order(1, 50)
    assert [i for _, i in islice(DrawSampler(range(4), 1, shuffle=False), 6)] == [0, 1, 2, 3, 0, 1]


@given(size=st.integers(0, 40), world_size=st.integers(1, 5), chunk=st.integers(1, 8))
def test_evaluation_takes_every_image_once_and_keeps_batches_together(size, world_size, chunk):
    parts = [list(on_rank(rank, world_size, EvaluationSampler, range(size), chunk)) for rank in range(world_size)]
    assert sorted(sum(parts, [])) == list(range(size))
    batches = {tuple(part[i : i + chunk]) for part in parts for i in range(0, len(part), chunk)}
    assert batches == {tuple(range(i, min(i + chunk, size))) for i in range(0, size, chunk)}
    assert [len(on_rank(r, world_size, EvaluationSampler, range(size), chunk)) for r in range(world_size)] == [
        len(part) for part in parts
    ]


def test_a_data_set_without_images_is_one_line():
    with pytest.raises(UserError, match='train_dataloader.dataset: holds no image'):
        DrawSampler([])
