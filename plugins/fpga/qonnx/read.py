"""QONNX file -> :class:`IntegerNetwork`: the same network in integers, or a refusal that names the node.

A convolution, its ReLU or table and its Quant node become one operation, named as the tensor that the last Quant node
makes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from onnx import NodeProto

from detplug.errors import UserError

from ..integers.integer_network import Add, Conv, Format, IntegerNetwork, Op, format_of
from .graph import Graph, read_graph
from .layers import one_format, read_concat, read_conv, read_max_pool, read_upsample
from .quantisers import map_format
from .table import LookUp, read_look_up

INPUT_FORMAT = Format(8, signed=False)


@dataclass
class Sums:
    """What a Conv or an Add makes, before it is rounded.

    Attributes:
        node: that makes it.
        op: without its name and the format of its output.
        place: of the operation in the network.
        relu: whether a Relu follows.
        look_up: the table that follows, with what the sums were rounded to before.
    """

    node: NodeProto
    op: Conv | Add
    place: int
    relu: bool = False
    look_up: LookUp | None = None


def read_qonnx(path: str | Path) -> IntegerNetwork:
    """The network of a QONNX file that :func:`write_qonnx` wrote, or another one of the same few operators.

    The input of the result are the integers of the first Quant node: uint8 with frac 8 of values 0 to 1.

    Raises:
        UserError: a node, scale, zero point, bit width or shape that the integer network does not have.
    """
    return Reader(read_graph(path)).network()


class Reader:
    """Goes through the nodes once; ``maps`` says which map each tensor holds, ``sums`` what is not yet rounded."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.makers = {name: node for node in graph.nodes for name in node.output}
        self.input: str | None = None
        self.ops: list[Op | None] = []
        self.formats: dict[str, Format] = {}
        self.maps: dict[str, str] = {}
        self.sums: dict[str, Sums] = {}
        self.index: set[str] = set()  # tensors on the way to the index of a table
        self.read: dict[str, Callable[[NodeProto], None]] = {
            'Quant': self.read_quant,
            'Conv': self.read_conv,
            'Add': lambda node: (self.read_index if self.index.issuperset(node.input[:1]) else self.read_add)(node),
            'Relu': self.read_relu,
            'MaxPool': lambda node: self.add(read_max_pool(self.graph, node, self.sources(node, 1)[0])),
            'Resize': lambda node: self.add(read_upsample(self.graph, node, self.sources(node, 1)[0])),
            'Concat': lambda node: self.add(read_concat(self.graph, node, self.sources(node))),
            'Identity': self.pass_on,
            'Cast': self.read_cast,
            'Mul': self.read_index,
            'Gather': self.read_gather,
        }

    def network(self) -> IntegerNetwork:
        """Read all nodes."""
        for node in self.graph.nodes:
            if node.op_type not in self.read:
                known = ', '.join(self.read)
                raise self.graph.refuse(node, 'no such operator here', f'use {known}, or cut the network before it')
            self.read[node.op_type](node)
        for op in self.ops:
            if isinstance(op, Conv | Add) and op.out.bits > 8:
                problem = f'{op.out.bits} bits where 8 are needed'
                raise self.graph.refuse(self.makers[op.name], problem, 'use more in front of a table alone')
        outputs = tuple(self.output(name) for name in self.graph.outputs)
        for waiting in self.sums.values():
            raise self.graph.refuse(waiting.node, 'its result is not used', 'remove the layer')
        return IntegerNetwork(self.input, INPUT_FORMAT, self.shape(), tuple(self.ops), outputs)

    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the input.

        Raises:
            UserError: not one input of a fixed shape that is quantised.
        """
        shapes = [self.graph.shapes[name] for name in self.graph.inputs]
        if self.input is None or len(shapes) != 1 or len(shapes[0]) != 4 or min(shapes[0]) < 1:
            given = dict(zip(self.graph.inputs, shapes, strict=True))
            problem = f'not one image of a fixed size that a Quant node reads: {given}'
            raise UserError(f'{self.graph.path}: input: {problem}; export with write_qonnx')
        return shapes[0][1:]

    def sources(self, node: NodeProto, count: int | None = None, alike: bool = True) -> tuple[str, ...]:
        """Names of the maps that a node reads; the first ``count`` inputs.

        Raises:
            UserError: an input that is not quantised; where they must be ``alike``, several formats.
        """
        names = list(node.input)[:count]
        for name in names:
            if name not in self.maps:
                cure = 'put a quantiser before it, and let nothing else read what is before the quantiser'
                raise self.graph.refuse(node, f'its input {name} is not quantised', cure)
        maps = tuple(self.maps[name] for name in names)
        if alike:
            one_format(self.graph, node, [self.formats[name] for name in maps])
        return maps

    def add(self, op: Op, place: int | None = None) -> None:
        """Take a finished operation; the next place by default."""
        if place is None:
            self.ops.append(op)
        else:
            self.ops[place] = op
        self.maps[op.name] = op.name
        self.formats[op.name] = format_of(op, [self.formats[name] for name in op.sources])

    def wait(self, node: NodeProto, op: Conv | Add) -> None:
        """Keep an operation, and its place, until its quantiser comes."""
        self.sums[node.output[0]] = Sums(node, op, len(self.ops))
        self.ops.append(None)

    def read_conv(self, node: NodeProto) -> None:
        (source,) = self.sources(node, 1)
        self.wait(node, read_conv(self.graph, node, self.makers, source, self.formats[source].frac))

    def read_add(self, node: NodeProto) -> None:
        sources = self.sources(node, alike=False)
        one_format(self.graph, node, [replace(self.formats[name], zero=0) for name in sources])
        self.wait(node, Add('', sources, self.formats[sources[0]]))

    def read_quant(self, node: NodeProto) -> None:
        if len(node.input) != 4:
            raise self.graph.refuse(node, f'{len(node.input)} inputs', 'give value, scale, zero point and bits')
        name, made = node.input[0], node.output[0]
        if name in self.graph.constants:
            return  # a weight or a bias; its convolution reads it
        made_format = map_format(self.graph, node)
        if name in self.graph.inputs:
            self.read_input(node, made_format)
        elif name in self.sums:
            sums = self.sums.pop(name)
            if sums.relu and made_format.signed:
                raise self.graph.refuse(node, 'signed integers after a Relu', 'use an unsigned quantiser there')
            op = sums.op
            if made_format.zero and isinstance(op, Conv) and sums.look_up is None:
                raise self.graph.refuse(node, f'zero point {made_format.zero}', 'use one behind a table or a sum alone')
            if isinstance(op, Add):
                self.check_zero(node, op, made_format)
            if sums.look_up is not None:
                op = replace(op, table=sums.look_up.table(self.graph, op.out, made_format))
            self.add(replace(op, name=made, out=made_format), sums.place)
        elif self.formats.get(self.maps.get(name)) == made_format:
            self.maps[made] = self.maps[name]
        else:
            problem = f'rounds {name} once more, to another scale'
            raise self.graph.refuse(node, problem, 'use one quantiser for each convolution or sum')

    def check_zero(self, node: NodeProto, op: Add, made: Format) -> None:
        """A sum has the zero points of its sources together, as far as it is not coarser."""
        zero = sum(self.formats[name].zero for name in op.sources) * 2.0 ** (made.frac - op.out.frac)
        if zero != made.zero:
            raise self.graph.refuse(node, f'zero point {made.zero} of a sum', f'use {zero:g}, that of what is added')

    def read_input(self, node: NodeProto, made_format: Format) -> None:
        if made_format != INPUT_FORMAT:
            problem = f'the image becomes integers of {made_format}'
            raise self.graph.refuse(node, problem, 'use Uint8ActPerTensorFixedPoint with scale 2 ** -8')
        self.input = self.input or node.output[0]
        self.maps[node.output[0]] = self.input
        self.formats[self.input] = made_format

    def read_relu(self, node: NodeProto) -> None:
        name = node.input[0]
        if name in self.sums:
            self.sums[name].relu = True
        elif name in self.maps and self.formats[self.maps[name]].signed:
            raise self.graph.refuse(node, 'a Relu after a signed quantiser', 'put the Relu before, and use unsigned')
        self.pass_on(node)

    def read_index(self, node: NodeProto) -> None:
        """A step to the index of a table; the Gather node reads them all."""
        self.index.add(node.output[0])

    def read_cast(self, node: NodeProto) -> None:
        (self.read_index if node.input[0] in self.index else self.pass_on)(node)

    def read_gather(self, node: NodeProto) -> None:
        """The convolution whose rounded sums are looked up waits for another quantiser."""
        look_up = read_look_up(self.graph, node, self.makers)
        name = self.maps.get(look_up.source)
        place = next((place for place, op in enumerate(self.ops) if op is not None and op.name == name), None)
        op = None if place is None else self.ops[place]
        read = any(op is not None and name in op.sources for op in self.ops)
        if not isinstance(op, Conv) or op.table is not None or read:
            raise self.graph.refuse(node, 'looks up no convolution of its own', 'put the activation behind one')
        del self.maps[look_up.source], self.formats[name]
        self.ops[place] = None
        self.sums[node.output[0]] = Sums(node, op, place, look_up=look_up)

    def pass_on(self, node: NodeProto) -> None:
        """The output is the input."""
        name, made = node.input[0], node.output[0]
        if name in self.sums:
            self.sums[made] = self.sums.pop(name)
        else:
            self.maps[made] = self.sources(node, 1)[0]

    def output(self, name: str) -> str:
        """The map that is an output of the file; sums of a convolution are one as they are.

        Raises:
            UserError: anything else that is not quantised; sums of several scales.
        """
        if name in self.maps:
            return self.maps[name]
        sums = self.sums.pop(name, None)
        if sums is None or sums.relu or sums.look_up is not None or not isinstance(sums.op, Conv):
            problem = 'is neither a quantised map nor the sums of a convolution'
            raise UserError(f'{self.graph.path}: output {name}: {problem}; put a quantiser behind it')
        if len(set(sums.op.weight_fracs.tolist())) > 1:
            problem = 'its sums have a scale a channel'
            raise self.graph.refuse(sums.node, problem, 'use one scale for the weights of a result')
        self.add(replace(sums.op, name=name), sums.place)
        return name
