"""A quantised network in integers: what QONNX, the C simulation and the accelerator must compute, here in numpy.

Every map holds integers q that stand for (q - zero) * 2 ** -frac. A convolution sums exactly, then rounds half to even
to the format of its output, as torch.round does; a format without sign also is the ReLU, other activations are tables.
Ours; the scheme of power-of-two scales is brevitas' and hls4ml's.

N images, C channels, O output channels, I input channels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .number_format import Format, Table, requantise
from .tt_kernel import TTKernel


@dataclass(frozen=True)
class Op:
    """A map made of earlier maps.

    Attributes:
        name: of the map it makes.
        sources: names of the maps it reads.
    """

    name: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Conv(Op):
    """A convolution, and rounding to the format of the output.

    Attributes:
        weight: (O, I, kh, kw) int8.
        weight_frac: a weight is w * 2 ** -weight_frac; one for all, or (O,) of each output channel.
        bias: (O,) int32, in units of the sum: 2 ** -(frac of the source + weight_frac).
        out: None leaves the sums as they are, 32 bits wide; then there is one ``weight_frac``.
        cores: the Tensor-Train form whose rebuilt kernel ``weight`` is; None for a dense layer.
        table: the activation, from the rounded sums to ``out``; None where ``out`` is what sums are rounded to.
    """

    weight: np.ndarray
    weight_frac: int | np.ndarray
    bias: np.ndarray
    stride: int = 1
    padding: int = 0
    out: Format | None = None
    cores: TTKernel | None = None
    table: Table | None = None

    @property
    def weight_fracs(self) -> np.ndarray:
        """(O,) int64."""
        return np.broadcast_to(np.asarray(self.weight_frac, np.int64), len(self.weight))

    @property
    def rounded(self) -> Format | None:
        """What sums are rounded to."""
        return self.out if self.table is None else self.table.format

    def shifts(self, source: Format) -> np.ndarray:
        """(O,) int64, by which sums are divided, as powers of two; ``out`` is not None."""
        return source.frac + self.weight_fracs - self.rounded.frac

    def format(self, source: Format) -> Format:
        """Of the output.

        Raises:
            ValueError: sums of several units.
        """
        if self.out is not None:
            return self.out
        frac, *others = {int(x) for x in self.weight_fracs}
        if others:
            raise ValueError(f'{self.name}: sums that are a result have several weight_frac; they need one')
        return Format(source.frac + frac, signed=True, bits=32)

    def run(self, x: np.ndarray, source: Format) -> np.ndarray:
        """(N, I, H, W) -> (N, O, H', W') int64."""
        x = x - source.zero  # so that zeros around the map are zeros
        sums = convolve(x, self.weight, self.stride, self.padding) + self.bias.astype(np.int64)[:, None, None]
        if self.out is None:
            return sums
        rounded = requantise(sums, self.shifts(source)[:, None, None], self.rounded)
        return rounded if self.table is None else self.table.look_up(rounded)


@dataclass(frozen=True)
class MaxPool(Op):
    """The largest of ``kernel`` x ``kernel`` pixels; pixels outside do not count.

    Attributes:
        padding: pixels around the map; half of the kernel where it is None.
    """

    kernel: int
    stride: int = 1
    padding: int | None = None

    @property
    def edge(self) -> int:
        """Pixels around the map."""
        return self.kernel // 2 if self.padding is None else self.padding

    def run(self, x: np.ndarray) -> np.ndarray:
        """(N, C, H, W) -> (N, C, H', W')."""
        low, step, edges = np.iinfo(x.dtype).min, self.stride, (self.edge, self.edge)
        padded = np.pad(x, ((0, 0), (0, 0), edges, edges), constant_values=low)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (self.kernel, self.kernel), (2, 3))
        return windows[:, :, ::step, ::step].max((4, 5))


@dataclass(frozen=True)
class Upsample(Op):
    """Every pixel ``factor`` times in each direction."""

    factor: int = 2

    def run(self, x: np.ndarray) -> np.ndarray:
        """(N, C, H, W) -> (N, C, factor H, factor W)."""
        return x.repeat(self.factor, 2).repeat(self.factor, 3)


@dataclass(frozen=True)
class Concat(Op):
    """The channels of all sources, which have one format."""


@dataclass(frozen=True)
class Add(Op):
    """The sum of two maps, whose formats differ in their zero points alone, rounded to the format of the output."""

    out: Format


@dataclass(frozen=True)
class IntegerNetwork:
    """Operations in the order in which they run.

    Attributes:
        input: name of the input map.
        input_format: of its integers.
        input_shape: (C, H, W).
        ops: every source is the input or an earlier one.
        outputs: names of the maps that are the result.
    """

    input: str
    input_format: Format
    input_shape: tuple[int, int, int]
    ops: tuple[Op, ...]
    outputs: tuple[str, ...]
    formats: Mapping[str, Format] = field(init=False)

    def __post_init__(self):
        formats = {self.input: self.input_format}
        for op in self.ops:
            formats[op.name] = format_of(op, [formats[name] for name in op.sources])
        object.__setattr__(self, 'formats', formats)

    def run(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """All maps by name, (N, C, H, W) int64 each, of integers (N, C, H, W) in the format of the input."""
        maps = {self.input: x.astype(np.int64)}
        for op in self.ops:
            given = [maps[name] for name in op.sources]
            maps[op.name] = run_op(op, given, [self.formats[name] for name in op.sources])
        return maps

    def values(self, maps: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs as float64 values, (q - zero) * 2 ** -frac."""
        return [self.formats[name].values(maps[name]) for name in self.outputs]


def format_of(op: Op, sources: Sequence[Format]) -> Format:
    """The format of the map that ``op`` makes.

    Raises:
        ValueError: sources of several formats.
    """
    compared = [replace(form, zero=0) for form in sources] if isinstance(op, Add) else sources
    if len(set(compared)) > 1:
        raise ValueError(f'{op.name}: sources of several formats: {sources}; they must share one scale')
    return op.format(sources[0]) if isinstance(op, Conv) else op.out if isinstance(op, Add) else sources[0]


def run_op(op: Op, given: Sequence[np.ndarray], sources: Sequence[Format]) -> np.ndarray:
    """The map that ``op`` makes of the maps ``given``, whose formats are ``sources``."""
    source, zeros = sources[0], sum(form.zero for form in sources)
    run: dict[type, Callable[[], np.ndarray]] = {
        Conv: lambda: op.run(given[0], source),
        Add: lambda: requantise(given[0] + given[1] - zeros, source.frac - op.out.frac, op.out),
        Concat: lambda: np.concatenate(given, 1),
        MaxPool: lambda: op.run(given[0]),
        Upsample: lambda: op.run(given[0]),
    }
    return run[type(op)]()


def convolve(x: np.ndarray, weight: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Exact sums (N, O, H', W') int64 of x (N, I, H, W) and weight (O, I, kh, kw); zeros around the map."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding))).astype(np.float64)  # exact to 2 ** 53
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    sums = np.tensordot(windows, weight.astype(np.float64), ((1, 4, 5), (1, 2, 3)))
    return sums.transpose(0, 3, 1, 2).astype(np.int64)


def sum_range(op: Conv, source: Format) -> tuple[int, int]:
    """The smallest and the largest sum, bias included, that any map of the format ``source`` gives."""
    weight = op.weight.reshape(len(op.weight), -1).astype(np.int64)
    up, down = weight.clip(min=0).sum(1), weight.clip(max=0).sum(1)
    bias = op.bias.astype(np.int64)
    least, most = source.low - source.zero, source.high - source.zero
    low = (least * up + most * down + bias).min()
    high = (most * up + least * down + bias).max()
    return int(low), int(high)
