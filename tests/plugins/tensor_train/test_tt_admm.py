"""ADMM: with no other gradient the kernels go to the ranks; what is pulled is rho (W - Z + U); state survives."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from detplug.engine import mixed_precision
from detplug.errors import UserError
from plugins.tensor_train.admm import STATE, ADMMHook, nearest_chain


def runner_for(model: nn.Module, steps: int) -> SimpleNamespace:
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    return SimpleNamespace(model=model, iter=0, max_iters=steps, optim_wrapper=OptimWrapper(optimizer))


def train(hook: ADMMHook, model: nn.Module, steps: int, lr: float) -> list[float]:
    """The distance after each step."""
    runner, distances = runner_for(model, steps), []
    hook.before_train(runner)
    for step in range(steps):
        runner.iter = step
        hook.before_train_iter(runner, step)
        model.zero_grad()
        (0 * model[0].weight.sum()).backward()
        with torch.no_grad():
            model[0].weight -= lr * model[0].weight.grad
        outputs: dict = {}
        hook.after_train_iter(runner, step, outputs=outputs)
        distances.append(outputs['admm_distance'])
    hook.after_train(runner)
    return distances


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(6, 8, 3, bias=False))


def test_the_pull_is_the_derivative_of_the_term(model):
    hook = ADMMHook({'0': (2, 3)}, rho=0.5)
    hook.before_train(runner_for(model, 10))
    weight, target = model[0].weight, nearest_chain(model[0].weight.detach(), (2, 3))
    hook.duals['0'] = torch.rand_like(weight)
    (weight.sum()).backward()
    pulled = weight.grad.clone()
    weight.grad = None
    term = weight.sum() + 0.25 * (weight - target + hook.duals['0']).square().sum()
    hook.after_train(None)
    term.backward()
    torch.testing.assert_close(pulled, weight.grad)


def test_kernels_reach_the_ranks(model):
    hook = ADMMHook({'0': (2, 3)}, rho=1.0, interval=5)
    before = (model[0].weight - nearest_chain(model[0].weight, (2, 3))).norm()
    distances = train(hook, model, steps=200, lr=0.1)
    after = (model[0].weight - nearest_chain(model[0].weight, (2, 3))).norm()
    assert after < 0.01 * before and distances[-1] < 0.01 < distances[0]


def test_rho_rises_at_the_end(model):
    hook, runner = ADMMHook({'0': (2, 3)}, rho=0.001), runner_for(model, 100)
    seen = []
    for step in (0, 84, 85, 99):
        runner.iter = step
        hook.before_train_iter(runner, step)
        seen.append(hook.now)
    assert seen == [0.001, 0.001, 0.005, 0.005]


def test_a_resumed_training_has_its_targets(model):
    hook = ADMMHook({'0': (2, 3)}, interval=5)
    train(hook, model, steps=10, lr=0.1)
    checkpoint: dict = {}
    hook.before_save_checkpoint(None, checkpoint)
    other = ADMMHook({'0': (2, 3)}, interval=5)
    other.after_load_checkpoint(SimpleNamespace(_resume=True), checkpoint)
    other.before_train(runner_for(model, 10))
    assert torch.equal(other.targets['0'], checkpoint[STATE]['targets']['0'])
    assert torch.equal(other.duals['0'], hook.duals['0'])


def test_another_training_that_starts_from_the_weights_has_targets_of_its_own(model):
    hook = ADMMHook({'0': (2, 3)}, interval=5)
    train(hook, model, steps=10, lr=0.1)
    checkpoint: dict = {}
    hook.before_save_checkpoint(None, checkpoint)
    for ranks in ((1, 2), (2, 3)):
        other = ADMMHook({'0': ranks}, interval=5)
        other.after_load_checkpoint(SimpleNamespace(_resume=False), checkpoint)
        other.before_train(runner_for(model, 10))
        assert torch.equal(other.targets['0'], nearest_chain(model[0].weight.detach(), ranks))
        assert not other.duals['0'].any()


def test_a_resumed_training_keeps_its_ranks(model):
    hook, checkpoint = ADMMHook({'0': (2, 3)}), {}
    hook.before_train(runner_for(model, 10))
    hook.before_save_checkpoint(None, checkpoint)
    with pytest.raises(UserError, match='ADMMHook: ranks: not those of the training that is resumed'):
        ADMMHook({'0': (1, 3)}).after_load_checkpoint(SimpleNamespace(_resume=True), checkpoint)


def test_a_layer_that_is_not_there(model):
    with pytest.raises(UserError, match="'1' is no convolution"):
        ADMMHook({'1': (2, 3)}).before_train(runner_for(model, 10))


@pytest.mark.parametrize('scaled', [False, True])
@pytest.mark.parametrize('batches', [1, 4])
def test_the_pull_is_the_same_with_a_loss_scaler_and_accumulated_batches(model, scaled, batches, monkeypatch):
    """After unscaling, and over all batches of a step, the kernel is pulled by rho (W - Z) once."""
    monkeypatch.setattr(mixed_precision, 'check_float16', lambda device: None)  # the CPU has a scaler, too slow to use
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    kind = mixed_precision.DetplugAmpOptimWrapper if scaled else OptimWrapper
    more = dict(dtype='float16', loss_scale=dict(init_scale=1024.0)) if scaled else {}
    wrapper = kind(optimizer=optimizer, accumulative_counts=batches, **more)
    hook, runner = ADMMHook({'0': (2, 3)}, rho=0.5), runner_for(model, 10)
    runner.optim_wrapper = wrapper
    hook.before_train(runner)
    before = model[0].weight.detach().clone()
    for _ in range(batches):
        hook.before_train_iter(runner, 0)
        wrapper.update_params(0 * model[0].weight.sum())
    pull = 0.5 * (before - nearest_chain(before, (2, 3)))
    assert pull.abs().max() > 0
    torch.testing.assert_close(before - model[0].weight.detach(), pull)
