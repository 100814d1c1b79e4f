"""Operators of the pretend accelerator: each computes on the host memory and refuses what CUDA refuses.

One fallback serves every operator; what has a kernel of torch's for all devices, or is a view, has its own below.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from pretend_memory import META_KERNELS, allocate, strided, to_host, to_pretend
from torch import Tensor

KIND = 'pretend'
VIEWS = ('as_strided', 'view', '_reshape_alias', 'unfold', 'view_as_real', 'view_as_complex')
# a CPU tensor without dimensions is a number to these; so it is to every pointwise operator
NUMBERS = {'index_put_', 'index_put', '_index_put_impl_', 'masked_fill_', 'masked_fill', 'fill_', 'fill', 'where'}
INDEXING = {'index', 'index_put_', 'index_put', '_index_put_impl_', '_unsafe_index', '_unsafe_index_put'}
seeds = torch.Generator()  # the device's random numbers; the state of the CPU's is another


def on_device(value: Any) -> bool:
    """Whether it is a tensor of the device."""
    return isinstance(value, Tensor) and value.device.type == KIND


def check_devices(operator: torch._ops.OpOverload, args: tuple, kwargs: dict) -> None:
    """Refuse tensors of two devices in one operator.

    Raises:
        RuntimeError: as CUDA does, which names the two devices.
    """
    generator = kwargs.get('generator')
    if generator is not None:
        raise RuntimeError(f"Expected a '{KIND}' device type for generator but found '{generator.device.type}'")
    name = operator._schema.name.partition('::')[2]
    if name in INDEXING:
        if not on_device(args[0]):
            raise RuntimeError('indices should be either on cpu or on the same device as the indexed tensor (cpu)')
        args = (args[0], *args[2:])  # indices may be on the CPU
    number = name in NUMBERS or torch.Tag.pointwise in operator.tags

    def check(x: Tensor) -> Tensor:
        if not on_device(x) and (x.dim() or not number):
            raise RuntimeError(
                f'Expected all tensors to be on the same device, but found at least two devices, {KIND}:0 and '
                f'{x.device}! ({operator}, {tuple(x.shape)})'
            )
        return x

    _mapped(check, [*args, *kwargs.values()])


def fallback(operator: torch._ops.OpOverload, *args: Any, **kwargs: Any) -> Any:
    """Any operator: the CPU's kernel over the same memory; new results become tensors of the device."""
    kwargs = {name: value for name, value in kwargs.items() if name not in ('device', 'pin_memory')}
    check_devices(operator, args, kwargs)
    lent: list[tuple[Tensor, Tensor]] = []  # a tensor of the device, the same memory as a CPU tensor

    def lend(x: Tensor) -> Tensor:
        if not on_device(x):
            return x
        # an empty result may have to grow, which borrowed memory cannot
        lent.append((x, to_host(x) if x.numel() else torch.empty_like(x, device='cpu')))
        return lent[-1][1]

    host = [
        _number_as_tensor(_mapped(lend, x), wanted) for x, wanted in zip(args, operator._schema.arguments, strict=False)
    ]
    with _random_numbers(operator):
        results = operator(*host, **{name: _mapped(lend, x) for name, x in kwargs.items()})
    for tensor, alias in lent:
        if alias.shape != tensor.shape:
            tensor.data = to_pretend(alias)

    def give(x: Tensor) -> Tensor:
        storage = x.untyped_storage().data_ptr() if x.numel() else None
        for tensor, alias in lent:
            if x is alias:
                return tensor
            if storage is not None and alias.untyped_storage().data_ptr() == storage:
                return strided(tensor, x.size(), x.stride(), x.storage_offset())
        return to_pretend(x)

    return _mapped(give, results)


def _mapped(function: Callable[[Tensor], Tensor], x: Any) -> Any:
    """``x`` with ``function`` of every tensor in it; what operators take and give has no other nests than these."""
    if isinstance(x, Tensor):
        return function(x)
    return type(x)([_mapped(function, item) for item in x]) if isinstance(x, list | tuple) else x


def _number_as_tensor(value: Any, argument: torch.Argument) -> Any:
    """torch hands numbers that stand for tensors to Python as numbers."""
    number = isinstance(value, int | float | complex) and str(argument.type) == 'Tensor'
    return torch.tensor(value) if number else value


@contextmanager
def _random_numbers(operator: torch._ops.OpOverload) -> Iterator[None]:
    """Operators that draw take the device's random numbers."""
    if torch.Tag.nondeterministic_seeded not in operator.tags:
        yield
        return
    cpu = torch.get_rng_state()
    torch.set_rng_state(seeds.get_state())
    try:
        yield
    finally:
        seeds.set_state(torch.get_rng_state())
        torch.set_rng_state(cpu)


def empty(size, dtype=None, layout=None, device=None, pin_memory=None, memory_format=None) -> Tensor:
    """aten::empty.memory_format."""
    memory_format = memory_format or torch.contiguous_format
    return empty_strided(size, torch.empty(tuple(size), device='meta', memory_format=memory_format).stride(), dtype)


def empty_strided(size, stride, dtype=None, layout=None, device=None, pin_memory=None) -> Tensor:
    """aten::empty_strided."""
    count = 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if 0 not in size else 0
    return strided(allocate(count, dtype or torch.get_default_dtype()), size, stride, 0)


def copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    """aten::_copy_from, which is between devices too."""
    alias = to_host(target) if on_device(target) else target
    alias.copy_(to_host(source) if on_device(source) else source)
    return target


def resize(tensor: Tensor, size, memory_format=None) -> Tensor:
    """aten::resize_: in place where the storage is large enough, otherwise with a new one."""
    wanted = torch.empty(tuple(size), dtype=tensor.dtype)
    if (tensor.storage_offset() + wanted.numel()) * tensor.element_size() <= tensor.untyped_storage().nbytes():
        tensor.data = strided(tensor, wanted.size(), wanted.stride(), tensor.storage_offset())
    else:
        wanted.view(-1)[: tensor.numel()] = to_host(tensor).reshape(-1)
        tensor.data = to_pretend(wanted)
    return tensor


def set_storage(tensor: Tensor, storage, offset: int = 0, size=None, stride=()) -> Tensor:
    """aten::set_ from a storage of the device."""
    size = [storage.nbytes() // tensor.element_size()] if size is None else list(size)
    stride = list(stride) or torch.empty(size, device='meta').stride()
    return torch.ops.aten.set_.source_Storage_storage_offset.redispatch(
        META_KERNELS, tensor, storage, offset, size, stride
    )


def _view(operator: torch._ops.OpOverload) -> Callable[..., Tensor]:
    return lambda *args, **kwargs: operator.redispatch(META_KERNELS, *args, **kwargs)


def _through(name: str) -> Callable[..., Any]:
    """An operator whose kernel for all devices asks for a convolution that only a back end has."""
    operator = getattr(torch.ops.aten, name).default
    return lambda *args, **kwargs: fallback(operator, *args, **kwargs)


def register() -> list[torch.library.Library]:
    """Register all of it; the libraries must be kept."""
    every, aten = torch.library.Library('_', 'IMPL'), torch.library.Library('aten', 'IMPL')
    every.fallback(fallback, 'PrivateUse1')
    kernels = {
        'empty.memory_format': empty,
        'empty_strided': empty_strided,
        '_copy_from': copy_from,
        'resize_': resize,
        'set_.source_Storage': set_storage,
        'set_.source_Storage_storage_offset': set_storage,
        'convolution': _through('convolution'),
        'convolution_backward': _through('convolution_backward'),
    }
    kernels |= {name: _view(getattr(torch.ops.aten, name).default) for name in VIEWS}
    for name, kernel in kernels.items():
        aten.impl(name, kernel, 'PrivateUse1')
    return [every, aten]
