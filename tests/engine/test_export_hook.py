"""ExportHook: which checkpoint it exports, when it refuses."""

import logging
from copy import copy
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from torch import nn

import detplug.cli.detector
import detplug.export.onnx_format
import detplug.export.onnx_int8  # noqa: F401  (before a test puts a copy in the table's place)
from detplug.engine.export_hook import ExportHook
from detplug.errors import UserError
from detplug.export import formats


@pytest.fixture
def runner(tmp_path, monkeypatch):
    """What the hook sees of a runner: its model is named by the checkpoint that was asked for."""
    monkeypatch.setattr(formats, 'FORMATS', copy(formats.FORMATS))

    @formats.register_format('listing')
    def export_listing(request, folder):
        (folder / 'found.txt').write_text(f'{request.model.checkpoint} {request.img_size}')
        return {}

    def build(config, checkpoint):
        model = nn.Identity()
        model.checkpoint = checkpoint.name
        return model

    monkeypatch.setattr(detplug.cli.detector, 'build_detector', build)
    pipeline = [dict(type='Letterbox', scale=(64, 64))]
    config = Config(dict(model={}, test_dataloader=dict(dataset=dict(pipeline=pipeline))))
    return SimpleNamespace(work_dir=str(tmp_path), cfg=config, model=nn.Identity(), logger=logging.getLogger('test'))


@pytest.mark.parametrize('names, exported', [(('last', 'best'), 'best'), (('last',), 'last')])
def test_the_best_checkpoint_is_exported(runner, tmp_path, names, exported):
    for name in names:
        (tmp_path / f'{name}.pth').touch()
    hook = ExportHook(['listing'])
    hook.before_train(runner)
    hook.after_train(runner)
    assert (tmp_path / 'export' / 'listing' / 'found.txt').read_text() == f'{exported}.pth 64'


def test_the_side_of_the_input_can_be_chosen(runner, tmp_path):
    ExportHook(['listing'], img_size=96).after_train(runner)
    assert (tmp_path / 'export' / 'listing' / 'found.txt').read_text().endswith(' 96')


def test_an_unknown_format_stops_before_the_first_step(runner):
    with pytest.raises(UserError, match='coreml: no such format; one of .*listing, onnx, (onnx-boxes, )?onnx-int8'):
        ExportHook(['listing', 'coreml']).before_train(runner)


def test_a_refused_bundle_ends_with_the_line_of_its_exporter(runner, tmp_path):
    @formats.register_format('wrong')
    def export_wrong(request, folder):
        raise UserError('wrong: layer3 differs')

    with pytest.raises(UserError, match='layer3'):
        ExportHook(['wrong']).after_train(runner)
    assert not (tmp_path / 'export' / 'wrong').exists()


@pytest.mark.parametrize('name', ['onnx', 'onnx-int8'])
def test_a_detector_without_an_onnx_form_stops_before_the_first_step(runner, name):
    runner.model = nn.Sequential()
    with pytest.raises(UserError, match='has no .*ONNX form'):
        ExportHook(['listing', name]).before_train(runner)
