"""The registry of formats, and what it says of wrong requests."""

import shlex
from copy import copy

import pytest

from detplug.cli.export import main, next_step
from detplug.cli.run import run
from detplug.errors import UserError
from detplug.export import formats
from detplug.export.images import image_paths
from detplug.export.pipeline import input_side


def test_a_plugin_adds_a_format_with_a_decorator(monkeypatch, request_of, tmp_path):
    monkeypatch.setattr(formats, 'FORMATS', copy(formats.FORMATS))

    @formats.register_format('listing')
    def export_listing(request, folder):
        (folder / 'classes.txt').write_text('\n'.join(request.classes))
        return {'classes': list(request.classes)}

    bundle = formats.export('listing', request_of(), tmp_path / 'bundle')
    assert bundle.manifest == {'format': 'listing', 'classes': ['red', 'green', 'blue']}
    assert (tmp_path / 'bundle' / 'classes.txt').read_text().split() == ['red', 'green', 'blue']
    with pytest.raises(KeyError, match='registered already'):
        formats.register_format('listing')(lambda request, folder: {})


def test_an_unknown_format_lists_the_known_ones(request_of, tmp_path):
    with pytest.raises(UserError, match='onnx, (onnx-boxes, )?onnx-int8'):
        formats.export('coreml', request_of(), tmp_path / 'bundle')


@pytest.mark.parametrize('side', [0, -32, 50])
def test_a_side_that_is_no_multiple_of_the_stride_is_refused(drawn_config, side):
    with pytest.raises(UserError, match='multiple of 32'):
        input_side(drawn_config, side)


def test_the_side_is_the_letterbox_of_the_config(drawn_config):
    assert input_side(drawn_config, None) == 64 and input_side(drawn_config, 96) == 96


def test_images_are_drawn_by_seed_from_the_innermost_data_set(drawn_config):
    first = image_paths(drawn_config, 'train', 3)
    assert first == image_paths(drawn_config, 'train', 3) and len(first) == len(set(first)) == 3
    assert len(image_paths(drawn_config, 'train', 99)) == 5
    assert {tuple(image_paths(drawn_config, 'train', 3, seed)) for seed in range(5)} != {tuple(first)}


def test_what_follows_is_a_command_that_a_shell_takes(tmp_path):
    bundle = formats.Bundle(tmp_path / 'my bundle', {'format': 'onnx'})
    words = shlex.split(next_step(bundle).removeprefix('next: '))
    assert words == ['detplug', 'predict', str(tmp_path / 'my bundle'), 'PICTURES', '--out', 'predictions']


def test_the_command_ends_with_one_line_and_status_2(capsys, tmp_path):
    assert run(main, [str(tmp_path / 'none.py'), 'none.pth', '--out', str(tmp_path / 'out')]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and 'none.py' in lines[0]
