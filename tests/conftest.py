"""Fixtures shared by all tests, and how cases are drawn: the same in every run, or new ones to search for bugs.

python -m pytest --hypothesis-profile explore
"""

import os
from pathlib import Path

import pytest
import pytest_randomly
from hypothesis import settings
from mmengine.registry import init_default_scope

pytest_randomly.entrypoint_reseeds = []  # qonnx's prints a line before each test, into what tests capture
settings.register_profile('same', derandomize=True, deadline=None)  # no test fails because a machine was busy
settings.register_profile('explore', deadline=None, max_examples=1000)
settings.load_profile('same')

ROOT = Path(__file__).resolve().parents[1]


def shared_folder(name: str) -> Path:
    """The folder ``name`` of the real data, or a skip that says what is missing."""
    root = Path(os.environ.get('DETPLUG_DATA', ROOT.parent / 'shared' / 'data'))
    if not (root / name).exists():
        pytest.skip(f'real data not found: {root / name} (set DETPLUG_DATA)')
    return root / name


@pytest.fixture(scope='session')
def real_data():
    """Function ``name -> Path`` of a real data set; the test is skipped with the reason where it is absent."""
    return shared_folder


@pytest.fixture
def yolov5n_weights() -> Path:
    """The official yolov5n.pt; the test is skipped with the reason where it is absent."""
    path = shared_folder('.').parent / 'weights' / 'yolov5n.pt'
    if not path.exists():
        pytest.skip(f'official checkpoint not found: {path}')
    return path


@pytest.fixture(autouse=True, scope='session')
def image_cache_of_the_tests(tmp_path_factory):
    """Resized images of tests, and of the programs they start, do not fill the user's cache."""
    os.environ['DETPLUG_CACHE'] = str(tmp_path_factory.mktemp('image_cache'))


def pytest_runtest_setup(item):
    """Names without a prefix are mmdet's in every test, whatever scope a test before has left."""
    init_default_scope('mmdet')


@pytest.fixture
def mixed_precision_steps():
    """Function that trains a model for two steps under bfloat16 autocast and a copy of it in float32, and compares.

    ``(model, batches, **optim_wrapper)``: ``batches`` makes a batch for ``train_step``. The losses are finite, the two
    differ and are close, and the same parameters change.
    """
    import copy

    import torch
    from mmengine.optim import build_optim_wrapper

    import detplug.register  # noqa: F401

    def steps(model, batches, **optim_wrapper):
        torch.manual_seed(0)
        losses, changed, dtypes = {}, {}, set()
        models = dict(float32=copy.deepcopy(model), bfloat16=model)
        for name, trained in models.items():
            own = dict(type='OptimWrapper') if name == 'float32' else dict(type='DetplugAmpOptimWrapper')
            wrapper = build_optim_wrapper(
                trained, dict(own, optimizer=dict(type='SGD', lr=0.01), clip_grad=dict(max_norm=1.0)) | optim_wrapper
            )
            before = {key: value.detach().clone() for key, value in trained.named_parameters()}
            trained.train()
            torch.manual_seed(1)
            for _ in range(2):
                values = trained.train_step(batches(), wrapper)
                losses.setdefault(name, []).append(float(values['loss']))
            changed[name] = {key for key, value in trained.named_parameters() if not torch.equal(value, before[key])}
            dtypes |= {value.dtype for value in trained.parameters()}
        assert torch.isfinite(torch.tensor(losses['bfloat16'])).all(), losses
        assert losses['bfloat16'][0] != losses['float32'][0], losses
        assert losses['bfloat16'][0] == pytest.approx(losses['float32'][0], rel=0.05), losses
        assert changed['bfloat16'] and changed['bfloat16'] == changed['float32']
        assert dtypes == {torch.float32}

    return steps
