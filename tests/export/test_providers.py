"""Laws: a bundle runs on the device that was named, or one line says why not."""

from types import SimpleNamespace

import onnxruntime
import pytest

from detplug.errors import UserError
from detplug.runtime.bundle import Detector
from detplug.runtime.providers import CPU, CUDA, check_started, providers_of


@pytest.fixture
def with_cuda(monkeypatch):
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['TensorrtExecutionProvider', CUDA, CPU])


def test_what_there_is_without_cuda(monkeypatch):
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['AzureExecutionProvider', CPU])
    assert providers_of('auto') == providers_of('cpu') == [(CPU, {})]
    with pytest.raises(UserError, match='--device cuda:1: .* is built without CUDA; .*onnxruntime-gpu'):
        providers_of('cuda:1')


def test_what_there_is_with_cuda(with_cuda):
    assert [name for name, _ in providers_of('auto')] == [CUDA, CPU]
    assert providers_of('cpu') == [(CPU, {})]
    assert providers_of('cuda')[0][1]['device_id'] == '0' and providers_of('cuda:3')[0][1]['device_id'] == '3'


@pytest.mark.parametrize('device', ['', 'npu', 'cuda:', 'cuda:x', 'cuda:-1', 'cpu:0', 'CUDA', None, 0])
def test_other_devices_are_one_line(with_cuda, device):
    with pytest.raises(UserError, match=r'--device .*: a bundle runs on auto, cpu, cuda or cuda:1'):
        providers_of(device)


def test_cuda_that_does_not_start_is_no_silent_cpu():
    on_cpu = SimpleNamespace(get_providers=lambda: [CPU])
    assert check_started(on_cpu, 'auto') == CPU
    with pytest.raises(UserError, match='CUDA does not start'):
        check_started(on_cpu, 'cuda')


def test_the_provider_is_known_after_the_start(bundle):
    detector = Detector(bundle.folder, device='cpu')
    assert detector.provider == CPU == detector.session.get_providers()[0]
