"""The convolutions of a model as it runs: sizes, and which convolution feeds which.

Who feeds whom is read from autograd's graph of one forward pass, so concatenations, additions and any code between two
convolutions need no rule here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detplug.compression.costs import ConvShape
from detplug.errors import UserError

from .compressed import compressible
from .counts import chain_shapes, dense_macs, dense_params
from .decomposition import max_ranks

Size = tuple[int, int]


@dataclass(frozen=True)
class ConvLayer:
    """One convolution that could become a chain.

    Attributes:
        name: of the module in the model.
        in_hw, out_hw: (height, width) of input and output at each call; a shared head is called several times.
        predecessors: names of the nearest convolutions before it, of those that cannot become chains too; none before
            the first, and none where autograd saw no way (a pass that is cut by no_grad).
    """

    name: str
    in_channels: int
    out_channels: int
    kernel_size: Size
    stride: Size
    in_hw: tuple[Size, ...]
    out_hw: tuple[Size, ...]
    predecessors: tuple[str, ...]

    @property
    def calls(self) -> int:
        """How often it runs in a forward pass."""
        return len(self.in_hw)

    @property
    def shape(self) -> tuple[int, int, Size]:
        """Output channels, input channels, kernel size."""
        return self.out_channels, self.in_channels, self.kernel_size

    @property
    def params(self) -> int:
        """Of the dense kernel."""
        return dense_params(*self.shape)

    @property
    def macs(self) -> int:
        """Of the dense layer, all calls of one image together."""
        return sum(dense_macs(*self.shape, *size) for size in zip(self.in_hw, self.out_hw, strict=True))

    def chain(self, ranks: tuple[int, ...]) -> list[list[ConvShape]]:
        """The convolutions of its chain, at each call."""
        sizes = zip(self.in_hw, self.out_hw, strict=True)
        return [chain_shapes(*self.shape, self.stride, ranks, *size) for size in sizes]

    @property
    def max_ranks(self) -> tuple[int, ...]:
        """The full ranks."""
        return max_ranks(*self.shape)


class Trace:
    """What hooks note of every convolution during one forward pass."""

    def __init__(self):
        self.order: list[str] = []
        self.calls: dict[str, list[tuple[Size, Size]]] = {}
        self.sources: dict[str, list] = {}  # name -> autograd node of each input
        self.names: dict = {}  # autograd node of an output -> name

    def hook(self, name: str) -> Callable:
        def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if name not in self.calls:
                self.order.append(name)
            sizes = tuple(tuple(map(int, x.shape[2:])) for x in (inputs[0], output))
            self.calls.setdefault(name, []).append(sizes)
            self.sources.setdefault(name, []).append(inputs[0].grad_fn)
            self.names[output.grad_fn] = name

        return note

    def predecessors(self, name: str) -> tuple[str, ...]:
        """The nearest convolutions before ``name``, in order of execution."""
        ancestors, seen, left = set(), set(), [node for node in self.sources[name] if node is not None]
        while left:
            node = left.pop()
            if node in seen:
                continue
            seen.add(node)
            if node in self.names:
                ancestors.add(self.names[node])
            else:
                left.extend(before for before, _ in node.next_functions if before is not None)
        return tuple(x for x in self.order if x in ancestors - {name})


def conv_layers(
    model: nn.Module, run: Callable[[Tensor], object], images: Tensor, pattern: str = ''
) -> dict[str, ConvLayer]:
    """The convolutions of ``model`` that run and that a chain can replace (see :func:`compressible`), in order.

    Maps are counted as one image's: a layer that runs on several proposals of an image counts as if on one.

    Args:
        run: runs the model on images.
        images: (N, 3, H, W); one is enough.
        pattern: re.search of it in a module's name chooses the layers.

    Raises:
        UserError: no such convolution runs, none matches, or the pattern is none.
    """
    wanted = compiled(pattern)
    convs, trace = trace_convolutions(model, run, images)
    able = [name for name in trace.order if compressible(convs[name])]
    if not able:
        raise UserError(f'model: {type(model).__name__}: no convolution runs that a chain can replace; choose another')
    chosen = [name for name in able if wanted.search(name)]
    if not chosen:
        raise UserError(f'--modules {pattern}: none of the {len(able)} layers matches, as {able[0]}; mend the pattern')
    return {name: _layer(name, convs[name], trace) for name in chosen}


def compiled(pattern: str) -> re.Pattern:
    """A pattern of names.

    Raises:
        UserError: it is none.
    """
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UserError(f"--modules {pattern}: not a pattern ({error}); see Python's re") from None


def all_convolutions(model: nn.Module, run: Callable[[Tensor], object], images: Tensor) -> dict[str, list[ConvShape]]:
    """Every call of every convolution for one image, grouped ones too, in order; see :func:`conv_layers`."""
    convs, trace = trace_convolutions(model, run, images)
    return {name: [_shape(convs[name], *sizes) for sizes in trace.calls[name]] for name in trace.order}


def _shape(conv: nn.Conv2d, in_hw: Size, out_hw: Size) -> ConvShape:
    return ConvShape(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, in_hw, out_hw, conv.groups)


def trace_convolutions(
    model: nn.Module, run: Callable[[Tensor], object], images: Tensor
) -> tuple[dict[str, nn.Conv2d], Trace]:
    """All convolutions of a model by name, and what one image's forward pass tells of those that run."""
    convs = {name: x for name, x in model.named_modules() if isinstance(x, nn.Conv2d)}
    trace = Trace()
    handles = [conv.register_forward_hook(trace.hook(name)) for name, conv in convs.items()]
    try:
        with torch.enable_grad():
            run(images[:1].detach().float().requires_grad_())
    finally:
        for handle in handles:
            handle.remove()
    return convs, trace


def _layer(name: str, conv: nn.Conv2d, trace: Trace) -> ConvLayer:
    in_hw, out_hw = zip(*trace.calls[name], strict=True)
    shape = conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride
    return ConvLayer(name, *shape, in_hw, out_hw, trace.predecessors(name))
