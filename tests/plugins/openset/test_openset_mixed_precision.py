"""Semi-supervised detectors train in mixed precision: pseudo-labels, mean teacher, OOD fit, class control."""

import pytest
import torch
from mmdet.registry import MODELS
from tiny_open_set import batch, build, build_detector, one_stage, two_stage, write_set

from detplug.cli.config import load_config
from detplug.cli.scaling import use_mixed_precision
from detplug.engine.history import read_history

STUDENT = dict(constructor='StudentOptimWrapperConstructor')


def batches() -> dict:
    """Images in 0 .. 255 for the data preprocessor."""
    torch.manual_seed(0)
    inputs, samples = batch()
    return dict(inputs={name: list(x * 255) for name, x in inputs.items()}, data_samples=samples)


@pytest.mark.parametrize('detector', [one_stage, two_stage])
def test_two_steps_with_pseudo_labels(detector, mixed_precision_steps):
    mixed_precision_steps(build_detector(detector=detector()), batches, **STUDENT)


def test_two_steps_of_soft_teacher(mixed_precision_steps):
    config = load_config('detplug::openset/soft-teacher_malaria.py')
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()

    def views() -> dict:
        made = batches()
        for samples in made['data_samples'].values():
            for sample in samples:
                sample.set_metainfo(dict(homography_matrix=torch.eye(3).numpy()))
        return made

    mixed_precision_steps(model, views, **STUDENT)


def test_a_training_with_everything(tmp_path):
    """Burn-in, pseudo-labels, OOD fit, class control and the mean teacher, two validations."""
    write_set(tmp_path)
    changes = dict(optim_wrapper__type='DetplugAmpOptimWrapper', optim_wrapper__dtype='bfloat16')
    runner = build(tmp_path, steps=5, **changes)
    before = {name: x.detach().clone() for name, x in runner.model.student.named_parameters()}
    runner.train()
    rows = [row for row in read_history(tmp_path / 'work' / 'history.jsonl') if 'loss' in row]
    assert len(rows) == 5 and all(row['loss'] is not None for row in rows)
    assert any(name.startswith('unsup') for name in rows[-1])
    assert not any(torch.equal(x, before[name]) for name, x in runner.model.student.named_parameters())


def test_the_option_keeps_the_constructor_of_the_student():
    config = load_config('detplug::openset/yolov5n_bccd7.py')
    use_mixed_precision(config, 'auto', 'cpu')
    assert config.optim_wrapper.constructor == 'StudentOptimWrapperConstructor'
    assert (config.optim_wrapper.type, config.optim_wrapper.dtype) == ('DetplugAmpOptimWrapper', 'bfloat16')
