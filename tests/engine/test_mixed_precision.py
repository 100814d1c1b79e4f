"""Laws: bfloat16 needs no scaler; a step that float16 overflows is skipped and counted; what stays non-finite stops.

A CPU computes float16 too slowly to be of use, so that it is refused; its GradScaler is the same code as a GPU's.
"""

import pytest
import torch
from tiny_training import build, config, write_images

from detplug.cli.scaling import use_mixed_precision
from detplug.engine import mixed_precision
from detplug.engine.checkpoint import load_file
from detplug.engine.history import read_history
from detplug.engine.mixed_precision import DetplugAmpOptimWrapper, float32
from detplug.engine.non_finite_guard import NonFiniteError
from detplug.errors import UserError

OPTIMIZER = dict(type='SGD', lr=0.02, momentum=0.9)


@pytest.fixture
def float16(monkeypatch):
    """Function that builds the tiny training in float16 on the CPU."""
    monkeypatch.setattr(mixed_precision, 'check_float16', lambda device: None)

    def make(folder, scale, fused=False, **changes):
        write_images(folder)
        wrapper = dict(type='DetplugAmpOptimWrapper', dtype='float16', optimizer=dict(OPTIMIZER, fused=fused))
        wrapper['loss_scale'] = dict(init_scale=scale, growth_interval=1000)
        return build(folder, optim_wrapper=wrapper, **changes)

    return make


def skipped(folder) -> list[float]:
    return [row['skipped_steps'] for row in read_history(folder / 'work' / 'history.jsonl') if 'loss' in row]


@pytest.mark.parametrize('fused', [False, True])
def test_steps_that_overflow_are_skipped_and_counted(fused, float16, tmp_path, capsys):
    runner = float16(tmp_path, 2.0**22, fused, train_cfg__max_iters=12)
    before = {name: x.detach().clone() for name, x in runner.model.named_parameters()}
    runner.train()
    counts = skipped(tmp_path)
    assert 1 <= counts[-1] < 12 and counts == sorted(counts)
    assert runner.optim_wrapper.loss_scaler.get_scale() == 2.0 ** (22 - counts[-1])
    assert not any(torch.equal(x, before[name]) for name, x in runner.model.named_parameters())
    shown = capsys.readouterr().out
    assert shown.count('overflows at loss scale') == 1
    assert f'{int(counts[-1])} of 12 steps were skipped by the loss scaler' in shown
    assert 'step' not in vars(runner.optim_wrapper.loss_scaler)


@pytest.mark.parametrize('fused', [False, True])
def test_a_skipped_step_leaves_the_weights(fused, float16, tmp_path):
    runner = float16(tmp_path, 2.0**60, fused, train_cfg__max_iters=2, custom_hooks=[])
    before = {name: x.detach().clone() for name, x in runner.model.named_parameters()}
    runner.train()
    assert skipped(tmp_path) == [1, 2]
    torch.testing.assert_close(dict(runner.model.named_parameters()), before, rtol=0, atol=0)


class AlwaysGradient:
    """As TinyDetector.poisoned: the gradient of every step is nan."""

    def __eq__(self, other):
        return other[0] == 'gradient'


@pytest.mark.parametrize(
    ('scale', 'changes', 'step'),
    [(65536.0, dict(most_skipped=5), 5), (2.0**-12, {}, 4)],
    ids=['in a row', 'scale sinks'],
)
def test_a_gradient_that_stays_nan_stops(scale, changes, step, float16, tmp_path):
    runner = float16(tmp_path, scale, default_hooks__guard=dict(type='NonFiniteGuard', **changes))
    runner.model.poisoned = AlwaysGradient()
    with pytest.raises(NonFiniteError, match=rf'step {step}: gradient of features.0.weight \(loss scale .* is nan'):
        runner.train()
    assert load_file(tmp_path / 'work' / 'non_finite_batch.pth')['step'] == step


def test_a_loss_that_is_nan_stops_at_once(float16, tmp_path):
    runner = float16(tmp_path, 65536.0)
    runner.model.poisoned = ('loss', 3)
    with pytest.raises(NonFiniteError, match=r'step 3: loss_number\[1\] is nan'):
        runner.train()


def test_scale_and_count_survive_a_resume(float16, tmp_path):
    whole = float16(tmp_path, 2.0**22, train_cfg__max_iters=8)
    whole.train()
    (tmp_path / 'work' / 'iter_8.pth').unlink()
    (tmp_path / 'work' / 'last.pth').unlink()
    again = float16(tmp_path, 2.0**22, train_cfg__max_iters=8, resume=True)
    again.train()
    assert again.optim_wrapper.loss_scaler.get_scale() == whole.optim_wrapper.loss_scaler.get_scale() < 2.0**22
    assert skipped(tmp_path)[-1] > 0
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


def test_bfloat16_trains_without_a_scaler(tmp_path):
    write_images(tmp_path)
    wrapper = dict(type='DetplugAmpOptimWrapper', optimizer=OPTIMIZER)
    runner = build(tmp_path, optim_wrapper=wrapper, train_cfg__max_iters=3)
    seen = set()
    runner.model.features[0].register_forward_hook(lambda module, args, output: seen.add(output.dtype))
    runner.train()
    assert runner.optim_wrapper.loss_scaler is None and torch.bfloat16 in seen
    rows = [row for row in read_history(tmp_path / 'work' / 'history.jsonl') if 'loss' in row]
    assert len(rows) == 3 and all(row['loss'] is not None and 'skipped_steps' not in row for row in rows)


def test_float32_reaches_every_tensor_and_nothing_else():
    half, whole, number = torch.ones(1, dtype=torch.bfloat16), torch.ones(1, dtype=torch.float64), torch.ones(1).long()
    found = float32(([half, whole], dict(a=(half.half(), number)), 'text', None))
    assert [x.dtype for x in found[0]] == [torch.float32, torch.float64]
    assert [x.dtype for x in found[1]['a']] == [torch.float32, torch.int64] and found[2:] == ('text', None)


@pytest.mark.parametrize(
    ('change', 'dtype', 'words'),
    [
        ({}, 'float16', 'needs a GPU; on a CPU use --amp bfloat16'),
        ({}, 'int8', 'not known; one of bfloat16, float16'),
        (dict(optim_wrapper=dict(generator=dict(optimizer=OPTIMIZER))), 'bfloat16', 'several optimizers'),
        (dict(optim_wrapper__type='ApexOptimWrapper'), 'bfloat16', 'ApexOptimWrapper has its own precision'),
    ],
)
def test_what_cannot_be_is_one_line(change, dtype, words, tmp_path):
    settings = config(tmp_path, **change)
    if 'optim_wrapper' in change:
        settings.optim_wrapper = change['optim_wrapper']
    with pytest.raises(UserError, match=words) as error:
        use_mixed_precision(settings, dtype, 'cpu')
    assert '\n' not in str(error.value)


def test_the_wrapper_itself_refuses_float16_on_a_cpu():
    parameter = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(UserError, match='needs a GPU'):
        DetplugAmpOptimWrapper('float16', optimizer=torch.optim.SGD([parameter], lr=1.0))
    with pytest.raises(UserError, match='needs no scaler'):
        DetplugAmpOptimWrapper('bfloat16', dict(init_scale=2.0), optimizer=torch.optim.SGD([parameter], lr=1.0))


def test_bare_amp_takes_what_the_device_has(tmp_path, capsys):
    settings = config(tmp_path)
    use_mixed_precision(settings, 'auto', 'cpu')
    assert settings.optim_wrapper.dtype == 'bfloat16' and settings.optim_wrapper.optimizer.lr == 0.02
    assert 'mixed precision: bfloat16 on cpu, without a loss scaler' in capsys.readouterr().out
