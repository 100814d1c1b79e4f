"""``train --data ... --compress 4x``: a quarter of the parameters, fine-tuned, in a folder that the commands take."""

import pytest
import torch
from yolo_set import write_yolo

from detplug.cli import compress, test, train
from detplug.cli.run import run
from detplug.errors import UserError
from plugins.tensor_train.recipe_options import read_factor


def parameters(path) -> int:
    state = torch.load(path, weights_only=True)['state_dict']
    return sum(x.numel() for name, x in state.items() if 'running' not in name and 'num_batches' not in name)


def test_a_compressed_detector_is_fine_tuned(tmp_path, capsys, monkeypatch):
    complete = compress.main  # with all images and a measured sensitivity it takes a minute
    monkeypatch.setattr(compress, 'main', lambda words: complete([*words, '--ranks', 'water_filling', '--images', '4']))
    data, folder = write_yolo(tmp_path / 'yolo'), tmp_path / 'work'
    words = ['--data', str(data), '--model', 'yolov5n', '--steps', '2', '--batch', '2', '--device', 'cpu']
    assert run(train.main, [*words, '--compress', '4x', '--work-dir', str(folder)]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    small = folder / 'compressed'
    assert f'next: detplug test {small}/config.py {small}/best.pth' in said
    assert parameters(small / 'best.pth') < 0.3 * parameters(folder / 'best.pth')
    assert (small / 'best.pth').read_bytes() == (small / 'tuned' / 'best.pth').read_bytes()
    assert run(test.main, [f'{small}/config.py', f'{small}/best.pth', '--work-dir', str(tmp_path / 't')]) == 0


@pytest.mark.parametrize(('text', 'factor'), [('4x', 4), ('2', 2), ('2.5x', 2.5)])
def test_a_factor_is_read(text, factor):
    assert read_factor(text) == factor


@pytest.mark.parametrize('text', ['1x', '0.5', 'x', '-4x', 'four'])
def test_what_makes_nothing_smaller_is_refused(text):
    with pytest.raises(UserError, match='not how many times smaller; give 4x'):
        read_factor(text)
