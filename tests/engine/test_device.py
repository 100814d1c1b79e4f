"""Laws: a named device is taken or refused in one line; a run is on the device of its config, whatever is there."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.device import get_device
from mmengine.device import utils as mmengine_device
from tiny_training import TinyDetector, build, config, write_images

from detplug.engine import device, distributed
from detplug.engine.device import choose_device, devices
from detplug.engine.distributed import start_group
from detplug.engine.runner import DetplugRunner
from detplug.errors import UserError


@pytest.fixture
def accelerator(monkeypatch):
    """torch's storage-less ``meta`` device stands for two accelerators that mmengine found first."""
    monkeypatch.setattr(device, 'devices', lambda: dict(cpu=1, meta=2))
    monkeypatch.setattr(torch, 'meta', SimpleNamespace(set_device=lambda index: None), raising=False)
    monkeypatch.setattr(device, '_FIRST', 'meta')
    monkeypatch.setattr(mmengine_device, 'DEVICE', 'meta')


def test_names_of_devices(accelerator):
    assert choose_device('auto') == torch.device('meta') and choose_device('cpu') == torch.device('cpu')
    assert choose_device('meta:1') == torch.device('meta:1')


@pytest.mark.parametrize('text', ['meta:2', 'meta:-1', 'meta:', 'meta:x', 'cpu:1', 'banana', '', 'Meta', 0, None])
def test_devices_that_are_not_there_are_one_line(accelerator, text):
    with pytest.raises(UserError, match=r'^--device .*; there is cpu, meta:0, meta:1$') as caught:
        choose_device(text)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(('built', 'words'), [(False, 'built without CUDA'), (True, 'sees no GPU')])
def test_cuda_that_is_not_there_says_why(monkeypatch, built, words):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.backends.cuda, 'is_built', lambda: built)
    with pytest.raises(UserError, match=words):
        choose_device('cuda')


def test_a_device_of_another_vendor(monkeypatch):
    name = torch._C._get_privateuse1_backend_name()
    there = SimpleNamespace(is_available=lambda: True, device_count=lambda: 1)
    monkeypatch.setattr(torch, name, there, raising=False)
    assert devices()[name] == 1 and choose_device(f'{name}:0') == torch.device(name, 0)


@pytest.mark.parametrize('name', ['cpu', 'meta', 'auto'])
def test_a_run_is_where_its_config_says(accelerator, tmp_path, name):
    write_images(tmp_path)
    runner = build(tmp_path, device=name)
    wanted = 'meta' if name == 'auto' else name
    assert {x.device.type for x in runner.model.state_dict().values()} == {wanted}
    assert runner.model.data_preprocessor.device.type == get_device() == runner.device.type == wanted
    if name == 'cpu':
        runner.test()


@pytest.mark.parametrize(('name', 'words'), [('meta:1', 'one for each'), ('meta', 'no way to connect')])
def test_several_processes_need_devices_that_can_be_connected(accelerator, monkeypatch, name, words):
    for variable, value in dict(RANK='0', WORLD_SIZE='2', LOCAL_RANK='1', MASTER_ADDR='localhost').items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=words):
        start_group('pytorch', device=torch.device(name))
    monkeypatch.setenv('LOCAL_RANK', '2')
    with pytest.raises(UserError, match='--device meta:2: there is no such'):
        start_group('pytorch', device=torch.device('meta'))


@pytest.mark.parametrize(
    ('name', 'changes', 'wanted'),
    [
        ('cpu', {}, True),
        ('cpu', dict(train_cfg=None, train_dataloader=None, optim_wrapper=None, param_scheduler=None), False),
        ('meta', {}, False),
    ],
)
def test_training_has_channels_innermost_on_the_cpu(accelerator, tmp_path, name, changes, wanted):
    write_images(tmp_path)
    weight = build(tmp_path, device=name, **changes).model.features[3].weight
    assert weight.is_contiguous(memory_format=torch.channels_last) is wanted


def test_the_memory_format_is_chosen_before_the_model_is_wrapped(monkeypatch, tmp_path):
    write_images(tmp_path)
    runner = build(tmp_path, device='cpu')
    model, seen = TinyDetector(dict(type='DetDataPreprocessor')), []
    monkeypatch.setattr(type(runner), 'distributed', True)
    monkeypatch.setattr(
        distributed,
        'wrap',
        lambda wrapped, **options: seen.append(
            wrapped.features[3].weight.is_contiguous(memory_format=torch.channels_last)
        ),
    )
    assert not model.features[3].weight.is_contiguous(memory_format=torch.channels_last)
    runner.wrap_model(None, model)
    assert seen == [True]


@pytest.mark.parametrize(
    ('kind', 'settings', 'wanted'),
    [
        ('cuda', dict(num_workers=1), True),
        ('cuda', dict(num_workers=1, pin_memory=False), False),
        ('cuda', {}, False),
        ('cpu', dict(num_workers=1), False),
        ('meta', dict(num_workers=1), False),
    ],
)
def test_workers_batches_are_page_locked_for_a_gpu(monkeypatch, tmp_path, kind, settings, wanted):
    write_images(tmp_path)
    loader = config(tmp_path).val_dataloader | settings
    monkeypatch.setattr(mmengine_device, 'DEVICE', kind)
    assert DetplugRunner.build_dataloader(loader).pin_memory is wanted
