"""The sizes of all maps of an integer network, without running it."""

from .integer_network import Concat, Conv, IntegerNetwork, MaxPool, Op, Upsample

Shape = tuple[int, int, int]


def map_shapes(network: IntegerNetwork) -> dict[str, Shape]:
    """(C, H, W) of the input and of every map that an operation makes."""
    shapes = {network.input: tuple(network.input_shape)}
    for op in network.ops:
        shapes[op.name] = shape_of(op, [shapes[name] for name in op.sources])
    return shapes


def shape_of(op: Op, sources: list[Shape]) -> Shape:
    """(C, H, W) of the map that ``op`` makes of maps of these sizes."""
    channels, height, width = sources[0]
    match op:
        case Conv():
            out, _, kernel_height, kernel_width = op.weight.shape
            rows, columns = height + 2 * op.padding - kernel_height, width + 2 * op.padding - kernel_width
            return out, rows // op.stride + 1, columns // op.stride + 1
        case MaxPool():
            rows, columns = (size + 2 * op.edge - op.kernel for size in (height, width))
            return channels, rows // op.stride + 1, columns // op.stride + 1
        case Upsample():
            return channels, height * op.factor, width * op.factor
        case Concat():
            return sum(shape[0] for shape in sources), height, width
    return channels, height, width
