"""Small integer networks for tests, whose formats keep their maps lively, and the structure of YOLOv5."""

import numpy as np

from plugins.fpga.integers.integer_network import (
    Add,
    Concat,
    Conv,
    Format,
    IntegerNetwork,
    MaxPool,
    Upsample,
    format_of,
    run_op,
)


class Builder:
    """Adds one operation after the other; a map's name says what made it.

    The format of a convolution's output is chosen from one random image: about one value in a hundred is clipped.
    """

    def __init__(self, channels: int, height: int, width: int, seed: int = 0, signed: bool = False):
        self.rng = np.random.default_rng(seed)
        self.shape, self.format = (channels, height, width), Format(8, signed)
        self.ops, self.formats = [], {'image': self.format}
        self.maps = {'image': self.images(1)}

    def images(self, count: int) -> np.ndarray:
        """(count, C, H, W) integers of the input."""
        return self.rng.integers(self.format.low, self.format.high + 1, (count, *self.shape))

    def add(self, kind: type, *sources: str, **settings) -> str:
        """Append an operation; its map's name."""
        op = kind(f'{kind.__name__.lower()}.{len(self.ops)}', sources, **settings)
        self.ops.append(op)
        self.maps[op.name] = run_op(op, [self.maps[name] for name in sources], [self.formats[name] for name in sources])
        self.formats[op.name] = format_of(op, [self.formats[name] for name in sources])
        return op.name

    def conv(self, source, out, k=1, stride=1, padding=None, relu=True, frac=None) -> str:
        """A convolution with random weights; ``frac`` of the output is chosen if it is not given."""
        settings = self.weights(self.maps[source].shape[1], out, k, stride, padding)
        if frac is None:
            sums = Conv('sums', (source,), **settings).run(self.maps[source], self.formats[source])
            high = np.percentile(sums if relu else np.abs(sums), 99) * 2.0 ** -(self.formats[source].frac + 9)
            frac = int(np.log2((255 if relu else 127) / high) // 1)
        return self.add(Conv, source, out=Format(frac, signed=not relu), **settings)

    def head(self, source: str, out: int) -> str:
        """The last convolution: its sums are the output."""
        return self.add(Conv, source, **self.weights(self.maps[source].shape[1], out))

    def weights(self, channels: int, out: int, k: int = 1, stride: int = 1, padding: int | None = None) -> dict:
        """Settings of a convolution."""
        weight = self.rng.integers(-127, 128, (out, channels, k, k)).astype(np.int8)
        bias = self.rng.integers(-20000, 20000, out).astype(np.int32)
        padding = k // 2 if padding is None else padding
        return dict(weight=weight, weight_frac=9, bias=bias, stride=stride, padding=padding)

    def total(self, first: str, second: str) -> str:
        """The sum of two maps, in their format."""
        return self.add(Add, first, second, out=self.formats[first])

    def frac(self, name: str) -> int:
        """Of a map."""
        return self.formats[name].frac

    def network(self, *outputs: str) -> IntegerNetwork:
        """All that was added."""
        return IntegerNetwork('image', self.format, self.shape, tuple(self.ops), outputs)


def blocks() -> tuple[Builder, IntegerNetwork]:
    """One of everything: stride 2 with a 6x6 kernel, residual, SPPF, concat of 4, upsampling, TT chain, two heads."""
    net = Builder(3, 10, 8)
    a = net.conv('image', 5, 6, 2, 2)
    x = net.total(a, net.conv(a, 5, 3, frac=net.frac(a)))
    once = net.add(MaxPool, x, kernel=5)
    joined = net.add(Concat, x, once, net.add(MaxPool, once, kernel=5), a)
    up = net.add(Upsample, joined)
    chain = net.conv(net.conv(net.conv(up, 3, relu=False), 4, 3, 2, relu=False), 6)
    return net, net.network(net.head(chain, 7), net.head(up, 4), chain)


def c3(net: Builder, source: str, out: int, repeats: int, shortcut: bool = True) -> str:
    """cv3(cat(bottlenecks(cv1 x), cv2 x)); everything that is added or joined has one scale."""
    hidden = out // 2
    x = net.conv(source, hidden)
    frac = net.frac(x)
    for _ in range(repeats):
        y = net.conv(net.conv(x, hidden), hidden, 3, frac=frac)
        x = net.total(x, y) if shortcut else y
    return net.conv(net.add(Concat, x, net.conv(source, hidden, frac=frac)), out)


def yolov5(width: int, depth: int, side: int, classes: int = 3) -> IntegerNetwork:
    """The 60 convolutions of YOLOv5n (width 16, depth 1), random weights; the head's three maps are the outputs."""
    net, w = Builder(3, side, side), width
    x = c3(net, net.conv(net.conv('image', w, 6, 2, 2), 2 * w, 3, 2), 2 * w, depth)
    p3 = c3(net, net.conv(x, 4 * w, 3, 2), 4 * w, 2 * depth)
    p4 = c3(net, net.conv(p3, 8 * w, 3, 2), 8 * w, 3 * depth)
    x = c3(net, net.conv(p4, 16 * w, 3, 2), 16 * w, depth)
    pooled = [net.conv(x, 8 * w)]
    for _ in range(3):
        pooled.append(net.add(MaxPool, pooled[-1], kernel=5))
    n5 = net.conv(net.conv(net.add(Concat, *pooled), 16 * w), 8 * w, frac=net.frac(p4))
    x = c3(net, net.add(Concat, net.add(Upsample, n5), p4), 8 * w, depth, False)
    n4 = net.conv(x, 4 * w, frac=net.frac(p3))
    out3 = c3(net, net.add(Concat, net.add(Upsample, n4), p3), 4 * w, depth, False)
    x = net.add(Concat, net.conv(out3, 4 * w, 3, 2, frac=net.frac(n4)), n4)
    out4 = c3(net, x, 8 * w, depth, False)
    x = net.add(Concat, net.conv(out4, 8 * w, 3, 2, frac=net.frac(n5)), n5)
    out5 = c3(net, x, 16 * w, depth, False)
    return net.network(*(net.head(x, 3 * (5 + classes)) for x in (out3, out4, out5)))
