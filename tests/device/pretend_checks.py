"""What the pretend accelerator must refuse, allow and compute; test_pretend_accelerator.py runs it as a process.

python tests/device/pretend_checks.py     prints json: name of a check -> None, or what is wrong
"""

import copy
import io
import json
import sys
from pathlib import Path

import torch
from torch import nn

DEVICE = 'pretend'
REFUSED = {  # name -> (what is done with x (10,) on the device, words of the error)
    'numpy': (lambda x: x.numpy(), "can't convert pretend:0 device type tensor to numpy"),
    'asarray': (lambda x: __import__('numpy').asarray(x), "can't convert pretend:0 device type tensor to numpy"),
    'add a CPU tensor': (lambda x: x + torch.ones(10), 'at least two devices, pretend:0 and cpu'),
    'add to a CPU tensor': (lambda x: torch.ones(10).add_(x), 'at least two devices'),
    'compare with a CPU tensor': (lambda x: x > torch.ones(10), 'at least two devices'),
    'where with a CPU tensor': (lambda x: torch.where(x > 4, x, torch.ones(10)), 'same device'),
    'where with a CPU mask': (lambda x: torch.where(torch.ones(10, dtype=torch.bool), x, x), 'same device'),
    'matmul with a CPU tensor': (lambda x: x @ torch.ones(10), 'same device'),
    'cat with a CPU tensor': (lambda x: torch.cat([x, torch.ones(1)]), 'same device'),
    'stack with a CPU number': (lambda x: torch.stack([x[0], torch.tensor(1.0)]), 'same device'),
    'CPU tensor indexed by the device': (lambda x: torch.ones(10)[x.long()], 'indices should be either on cpu or'),
    'CPU tensor masked by the device': (lambda x: torch.ones(10)[x > 4], 'indices should be either on cpu or'),
    'CPU values into the device': (lambda x: x.__setitem__(torch.tensor([1, 2]), torch.ones(2)), 'same device'),
    'gather by a CPU index': (lambda x: x.gather(0, torch.tensor([1])), 'same device'),
    'index_select by a CPU index': (lambda x: x.index_select(0, torch.tensor([1])), 'same device'),
    'index_add of a CPU tensor': (lambda x: x.clone().index_add_(0, torch.tensor([1]), x[:1]), 'same device'),
    'scatter of a CPU tensor': (lambda x: x.clone().scatter_(0, torch.tensor([1]), x[:1]), 'same device'),
    'a layer on the CPU': (lambda x: nn.Linear(10, 2)(x), 'same device'),
    'a convolution on the CPU': (lambda x: nn.Conv2d(1, 1, 1)(x.view(1, 1, 2, 5)), 'same device'),
    'a batch norm on the CPU': (lambda x: nn.BatchNorm1d(5)(x.view(2, 5)), 'same device'),
    'a CPU target': (lambda x: nn.functional.cross_entropy(x.view(2, 5), torch.tensor([0, 1])), 'same device'),
    'a CPU generator': (
        lambda x: torch.randn(3, device=DEVICE, generator=torch.Generator()),
        "Expected a 'pretend' device type for generator but found 'cpu'",
    ),
    'a CPU generator in place': (lambda x: x.normal_(generator=torch.Generator()), "Expected a 'pretend' device type"),
    'CPU and device lists': (lambda x: torch._foreach_lerp_([x], [torch.ones(10)], 0.5), 'same device'),
}
ALLOWED = {  # name -> (what is done with x = 0..9 on the device, the same on the CPU)
    'a CPU number': lambda x: x + torch.tensor(1.0),
    'a CPU number in front': lambda x: torch.tensor(2.0) * x,
    'a CPU number in where': lambda x: torch.where(x > 4, x, torch.tensor(1.0)),
    'a CPU index': lambda x: x[torch.tensor([1, 2])],
    'a list as index': lambda x: x[[1, 2]],
    'a CPU mask': lambda x: x[torch.arange(10) > 4],
    'a mask': lambda x: x[x > 4],
    'a CPU number at a CPU index': lambda x: x.index_put((torch.tensor([1]),), torch.tensor(5.0)),
    'copy from the CPU': lambda x: x.clone().copy_(torch.ones(10)),
    'copy with another type': lambda x: x.to(torch.int32),
    'views share memory': lambda x: (lambda y: (y.view(2, 5)[1].mul_(2), y)[1])(x.clone()),
    'in place on a transposed view': lambda x: (lambda y: (y.view(2, 5).T[0].add_(1), y)[1])(x.clone()),
    'empty': lambda x: x[:0].sum() + x[x > 99].sum(),
    'growing an empty result': lambda x: torch.sort(x, descending=True, out=(x[:0].clone(), x[:0].long()))[0],
    'a list of tensors': lambda x: torch.cat(x.split([3, 3, 4])[::-1]),
    'foreach': lambda x: (lambda y: (torch._foreach_lerp_([y], [y * 2], 0.5), y)[1])(x.clone()),
    'sort, topk, unique': lambda x: torch.cat([x.sort().values, x.topk(3).values, (x // 2).unique()]),
    'remainder by a number': lambda x: x.long() % 4,
    'einsum': lambda x: torch.einsum('ij,kj->ik', x.view(2, 5), x.view(2, 5)),
    'interpolate': lambda x: nn.functional.interpolate(x.view(1, 1, 2, 5), scale_factor=2),
    'linear algebra': lambda x: torch.linalg.svd(x.view(2, 5), full_matrices=False).S,
    'data of another tensor': lambda x: (lambda y: (setattr(y, 'data', x[:3]), y)[1])(x.clone()),
    'float64, bool and half': lambda x: (x.double().sum() + (x > 4).sum() + x.half().sum()).float(),
}


def refused(name: str) -> None:
    do, words = REFUSED[name]
    try:
        result = do(torch.arange(10.0, device=DEVICE))
    except (RuntimeError, TypeError, IndexError) as error:
        assert words in str(error), f'{type(error).__name__}: {error}'
    else:
        raise AssertionError(f'not refused: {result}')


def allowed(name: str) -> None:
    found, wanted = (ALLOWED[name](torch.arange(10.0, device=device)) for device in (DEVICE, 'cpu'))
    assert found.device.type == DEVICE and found.dtype == wanted.dtype
    torch.testing.assert_close(found.cpu(), wanted, rtol=0, atol=0)


def network(device: str, steps: int = 4, **autocast) -> dict[str, torch.Tensor]:
    """Weights after a small training with every kind of layer that the detectors have."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.SiLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, groups=4),
        nn.Upsample(scale_factor=2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.LayerNorm(32),
        nn.Linear(32, 5),
    )
    images, labels = torch.randn(4, 3, 8, 8).to(device), torch.tensor([0, 1, 2, 3]).to(device)
    model.to(device)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, fused=True)
    for _ in range(steps):
        with torch.autocast(device, enabled=bool(autocast), **autocast):
            loss = nn.functional.cross_entropy(model(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return {name: x.cpu() for name, x in model.state_dict().items()}


def check_training_gives_the_numbers_of_the_cpu() -> None:
    found, wanted = network(DEVICE), network('cpu')
    for name, value in wanted.items():  # the same sums; torch has other formulas of two layers for a new device
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6, msg=name)


def check_autocast() -> None:
    layer, x = nn.Linear(4, 4).to(DEVICE), torch.ones(2, 4, device=DEVICE)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        half = layer(x)
        assert half.dtype == torch.bfloat16
        assert half.softmax(1).dtype == torch.float32 and half.sum().dtype == torch.float32
        assert torch.cat([half, x]).dtype == torch.float32
        with torch.autocast(DEVICE, enabled=False):
            assert layer(x).dtype == torch.float32
    assert layer(x).dtype == torch.float32
    half.sum().backward()
    assert layer.weight.grad.dtype == torch.float32
    found, wanted = network(DEVICE, 2, dtype=torch.bfloat16), network('cpu', 2)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name].float(), value.float(), rtol=0.1, atol=0.1, msg=name)


def check_gradient_scaler() -> None:
    weight = nn.Parameter(torch.ones(3, device=DEVICE))
    optimiser = torch.optim.SGD([weight], lr=1.0)
    scaler = torch.amp.GradScaler(DEVICE, init_scale=8.0)
    scaler.scale((weight * 2).sum()).backward()
    scaler.step(optimiser)
    scaler.update()
    assert weight.tolist() == [-1.0] * 3
    scaler.scale((weight * float('inf')).sum()).backward()
    scaler.step(optimiser)
    scaler.update()
    assert weight.tolist() == [-1.0] * 3 and scaler.get_scale() == 4.0


def check_random_numbers_are_its_own() -> None:
    torch.manual_seed(0)
    before, state = torch.get_rng_state(), torch.pretend.get_rng_state()
    first = torch.rand(3, device=DEVICE), nn.functional.dropout(torch.ones(9, device=DEVICE))
    assert torch.equal(torch.get_rng_state(), before)
    torch.pretend.set_rng_state(state)
    again = torch.rand(3, device=DEVICE), nn.functional.dropout(torch.ones(9, device=DEVICE))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    torch.manual_seed(0)
    assert torch.equal(torch.rand(3, device=DEVICE), first[0])


def check_modules_copy_and_load() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).to(DEVICE)
    twin = copy.deepcopy(model)
    twin[0].weight.data.add_(1)
    assert not torch.equal(twin[0].weight, model[0].weight)
    assert {x.device.type for x in twin.state_dict().values()} == {DEVICE}
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    state = torch.load(file, map_location='cpu', weights_only=True)
    assert {x.device.type for x in state.values()} == {'cpu'}
    twin.load_state_dict(state)
    assert torch.equal(twin[0].weight, model[0].weight)
    twin.to('cpu')(torch.ones(1, 1, 4, 4))


def check_memory_is_given_back() -> None:
    def resident() -> int:
        return int(Path('/proc/self/statm').read_text().split()[1]) * 4096

    if sys.platform != 'linux':
        return
    x = torch.ones(2**18, device=DEVICE)
    before = resident()
    for _ in range(200):  # 200 MB
        x = x * 1.0
    assert resident() - before < 50e6


def check_synchronisations_are_counted_where_they_are() -> None:
    from synchronisations import Synchronisations

    for kind, do in (
        ('_local_scalar_dense', lambda x: float(x.sum())),
        ('_local_scalar_dense', lambda x: bool(x.any())),
        ('nonzero', lambda x: x.nonzero()),
        ('mask', lambda x: x[x > 4]),
        ('mask', lambda x: x.clone().__setitem__(x > 4, 1.0)),
        ('to host', lambda x: x.cpu()),
        ('to host', lambda x: x.tolist()),
        ('to host', lambda x: torch.zeros(10).copy_(x)),
        ('_unique2', lambda x: x.unique()),
        ('equal', lambda x: torch.equal(x, x)),
        ('repeat_interleave', lambda x: torch.repeat_interleave(x.long())),
        (None, lambda x: x[x.long()] + x.to(torch.float64).masked_fill(x > 4, 0).sum()),
        (None, lambda x: torch.repeat_interleave(x.long(), output_size=45)),
        (None, lambda x: torch.ones(3)[torch.ones(3) > 0].tolist()),
    ):
        with Synchronisations() as seen:
            do(torch.arange(10.0, device=DEVICE))
        assert [x.partition(' /')[0].rpartition(' ')[0] for x in seen.counts] == ([kind] if kind else []), (
            kind,
            seen.counts,
        )


def names() -> list[str]:
    """Of all checks."""
    own = [name for name in globals() if name.startswith('check_')]
    return [*own, *(f'refused: {x}' for x in REFUSED), *(f'allowed: {x}' for x in ALLOWED)]


def run(name: str) -> str | None:
    """What is wrong, None where nothing is."""
    kind, _, which = name.partition(': ')
    try:
        globals()[kind](*([which] if which else []))
    except Exception as error:
        return f'{type(error).__name__}: {error}'
    return None


if __name__ == '__main__':
    from pretend_accelerator import install

    install()
    print(json.dumps({name: run(name) for name in names()}))
