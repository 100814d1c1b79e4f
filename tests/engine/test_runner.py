"""Laws of DetplugRunner: weights of another config are refused, stock tools work, the console shows warnings only."""

import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import IterTimerHook, LoggerHook
from tiny_training import CLASSES, build, config, write_images

from detplug.engine.checkpoint import load_file
from detplug.engine.distributed import EqualBuffersHook
from detplug.engine.history import HistoryHook
from detplug.errors import UserError


@pytest.fixture
def images(tmp_path) -> Path:
    write_images(tmp_path)
    return tmp_path


def saved_weights(images: Path, classes=CLASSES) -> str:
    path = images / 'weights.pth'
    torch.save(dict(state_dict=build(images).model.state_dict(), meta=dict(dataset_meta=dict(classes=classes))), path)
    return str(path)


def test_test_gives_the_figures_of_the_weights(images):
    path = saved_weights(images)
    assert build(images, load_from=path).test() == build(images, load_from=path).test()


def test_test_refuses_weights_of_other_shapes(images):
    path = saved_weights(images)
    runner = build(images, load_from=path)
    runner.model.score = torch.nn.Linear(8, 5)
    with pytest.raises(UserError, match=r'checkpoint of another config: tensors: 2 of another shape \(score.weight'):
        runner.test()


def test_test_refuses_weights_of_other_classes(images):
    path = saved_weights(images, classes=CLASSES[::-1])
    with pytest.raises(UserError, match='classes: light, dark in the checkpoint, dark, light in the config'):
        build(images, load_from=path).test()


def test_fine_tuning_takes_what_fits(images, capsys):
    path = saved_weights(images, classes=('a', 'b'))
    wanted = load_file(path)['state_dict']['features.0.weight']
    runner = build(images, load_from=path, train_cfg__max_iters=1, optim_wrapper__optimizer__lr=0.0)
    runner.model.score = torch.nn.Sequential(torch.nn.Linear(8, 2))
    runner.train()
    torch.testing.assert_close(runner.model.features[0].weight.detach(), wanted)
    assert '2 missing (score.0.weight, score.0.bias), 2 unexpected' in capsys.readouterr().out


def test_resume_with_another_optimizer_is_one_line(images):
    build(images, train_cfg__max_iters=2).train()
    runner = build(
        images,
        resume=True,
        optim_wrapper__optimizer__weight_decay=0.1,
        train_cfg__max_iters=3,
        optim_wrapper__paramwise_cfg=dict(bias_decay_mult=0.0),
    )
    with pytest.raises(UserError, match='does not fit this config') as caught:
        runner.train()
    assert '\n' not in str(caught.value)


def test_resume_keeps_the_seed_of_the_training(images):
    build(images, train_cfg__max_iters=2, randomness__seed=5).train()
    runner = build(images, resume=True, train_cfg__max_iters=3, randomness__seed=None)
    runner.train()
    assert runner.seed == 5 and runner.train_dataloader.dataset.seed == runner.train_dataloader.sampler.seed == 5


def test_hooks_are_switched_by_their_keys(images):
    runner = build(images, default_hooks__history=None, default_hooks__logger=dict(type='LoggerHook', interval=2))
    kinds = [type(hook) for hook in runner.hooks]
    assert HistoryHook not in kinds and LoggerHook in kinds and IterTimerHook not in kinds and EqualBuffersHook in kinds


def test_console_shows_warnings_only_and_the_log_file_all(images, capsys):
    runner = build(images)
    runner.logger.info('for the file')
    runner.logger.warning('for the user')
    shown = capsys.readouterr()
    assert shown.err == 'WARNING: for the user\n' and 'for the' not in shown.out
    for handler in runner.logger.handlers:
        handler.flush()
    written = (Path(runner.log_dir) / f'{runner.timestamp}.log').read_text()
    assert 'for the file' in written and 'for the user' in written


def test_runners_of_one_second_have_logs_of_their_own(images):
    one, other = build(images), build(images)
    assert one.log_dir != other.log_dir and one.logger is not other.logger


def test_config_in_the_work_folder_can_be_read(images):
    build(images)
    path = next((images / 'work').glob('*.py'))
    assert Config.fromfile(path).train_cfg.max_iters == 24
    assert path.read_text().count('\n') > 50  # formatted for people


def test_stock_training_tool_of_mmdet(images, monkeypatch):
    tool = Path(find_spec('mmdet').origin).parent / '.mim' / 'tools' / 'train.py'
    settings = config(
        images,
        train_cfg__max_iters=2,
        custom_imports=dict(imports=['tiny_training', 'detplug.register'], allow_failed_imports=False),
    )
    settings.dump(images / 'config.py')
    monkeypatch.setattr(sys, 'argv', ['train.py', str(images / 'config.py')])
    runpy.run_path(str(tool), run_name='__main__')
    assert load_file(images / 'work' / 'last.pth')['meta']['iter'] == 2


def test_number_of_workers_zero_takes_settings_that_torch_refuses(images):
    settings = dict(train_dataloader__persistent_workers=True, train_dataloader__prefetch_factor=4)
    loader = build(images, **settings).train_dataloader
    assert loader.num_workers == 0 and not loader.persistent_workers
