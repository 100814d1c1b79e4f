"""Law: with one and two processes the metrics are equal and every image is evaluated once (11 images: odd)."""

import json
from pathlib import Path

import pytest
import torch
from tiny_training import build, write_images
from torchrun import run_two

import detplug.evaluation  # noqa: F401 - registers BoxAP
from detplug.engine.distributed import start_group
from detplug.engine.history import read_history, read_validations
from detplug.errors import UserError


@pytest.fixture(scope='module')
def two(tmp_path_factory):
    """(folder, results of both processes) of two_processes.py under torchrun."""
    folder = tmp_path_factory.mktemp('two')
    write_images(folder, number=11)
    torch.save(dict(state_dict=build(folder).model.state_dict()), folder / 'weights.pth')
    run_two(Path(__file__).with_name('two_processes.py'), folder)
    return folder, [json.loads((folder / f'rank_{rank}.json').read_text()) for rank in range(2)]


def test_equal_metrics(two):
    folder, (first, second) = two
    runner = build(folder, load_from=str(folder / 'weights.pth'), test_evaluator__type='BoxAP')
    wanted = runner.test()
    assert wanted['map50'] > 0.1  # there is something to compare
    for found in (first, second):
        assert found['metrics'].keys() == wanted.keys()
        assert list(found['metrics'].values()) == pytest.approx(list(wanted.values()), abs=1e-9, nan_ok=True)


def test_every_image_once(two):
    _, (first, second) = two
    assert sorted(first['evaluated'] + second['evaluated']) == list(range(1, 12))
    assert first['evaluated'] and second['evaluated']


def test_training_keeps_the_processes_equal_and_records_once(two):
    folder, (first, second) = two
    assert first['weights'] == second['weights']
    rows = read_history(folder / 'two' / 'history.jsonl')
    assert [row['step'] for row in rows] == [1, 2, 3, 3]
    from detplug.engine.checkpoint import load_file

    checkpoint = load_file(folder / 'two' / 'last.pth')
    assert len(checkpoint['rng']) == checkpoint['meta']['world_size'] == 2


def test_both_processes_end_early_at_the_same_step(two):
    folder, (first, second) = two
    assert first['ended'] == second['ended'] == [3, 3 * 2], '11 images in batches of 2 x 3'
    assert [row['step'] for row in read_validations(folder / 'early' / 'history.jsonl')] == [2, 4, 6]


@pytest.mark.parametrize(
    ('launcher', 'words'),
    [('pytorch', 'start with torchrun'), ('slurm', 'start with srun'), ('mpi', 'one of none, pytorch, slurm')],
)
def test_launcher_without_its_environment(launcher, words, monkeypatch):
    for name in ('RANK', 'WORLD_SIZE', 'SLURM_PROCID'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=words):
        start_group(launcher)
    start_group('none')
