"""The Verilog of the accelerator on layers of a compressed, quantised YOLOv5n, and on the whole network.

Each layer gets the integers that it has in the network on an image of the validation split. ``mismatches`` are values
that differ from the integer network, of all layers and of all maps of the network, N = 8 and 16 together, those of the
network alone are ``whole_network_mismatches``; ``cycle_model_error`` is the largest share by which the model of cycles
is wrong, over all layers and networks. N.NAME.mismatches, .values, .cycles and .cycle_model_error of each.
By default the 4x compressed detector of benchmarks/fpga_accuracy.py, kernels rebuilt on the accelerator; with
``--untrained`` that of benchmarks/fpga_untrained.py.

python benchmarks/fpga_rtl.py [--config C --checkpoint P] [--untrained] [--img-size S]
"""

import argparse
from pathlib import Path

import numpy as np
from finetuning import ROOT
from record import record

from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.export.images import image_paths
from detplug.images.letterbox import letterbox
from detplug.images.reading import read_image
from plugins.fpga.bundle.settings import Settings, sizes_of
from plugins.fpga.compiler.lowering import lower
from plugins.fpga.compiler.network import NetworkProgram, network_program
from plugins.fpga.compiler.program import conv_program
from plugins.fpga.integers.integer_network import Conv, Format, IntegerNetwork
from plugins.fpga.qonnx import attach_cores, read_qonnx
from plugins.fpga.qonnx.difference import count_mismatches
from plugins.fpga.qonnx.images import to_integers
from plugins.fpga.simulation.cycles import total_cycles
from plugins.fpga.simulation.simulate import Simulator

FOLDER = Path('work_dirs/benchmarks/fpga_accuracy')
DETECTOR = FOLDER / 'tt4x_rebuild-int8' / 'config.py', FOLDER / 'tt4x_rebuild-qat' / 'best.pth'
SIZES = {n: sizes_of(Settings(array=n)) for n in (8, 16)}


def integer_network(config, checkpoint: Path, side: int) -> IntegerNetwork:
    """Through QONNX, with the cores of the kernels that are rebuilt."""
    from plugins.fpga.qonnx.write import write_qonnx
    from plugins.fpga.quantised.raw_network import raw_network, rebuilt_kernels

    model, folder = build_detector(config, checkpoint), ROOT / 'work_dirs/benchmarks/fpga_rtl'
    folder.mkdir(parents=True, exist_ok=True)
    write_qonnx(raw_network(model), folder / 'model.onnx', side)
    return attach_cores(read_qonnx(folder / 'model.onnx'), rebuilt_kernels(model))


def image_integers(config, form: Format, side: int) -> np.ndarray:
    """(3, side, side) int64 of the first image of the validation split."""
    canvas = letterbox(read_image(image_paths(config, 'val', 1)[0]), (side, side))[0]
    return to_integers(canvas[..., ::-1].transpose(2, 0, 1) / 255, form)


def chosen(network: IntegerNetwork) -> dict[str, Conv]:
    """One layer of each kind, of those with most multiplications one that is rebuilt from cores if there is any."""
    convs = [op for op in network.ops if isinstance(op, Conv)]
    inner = [op for op in convs if op.sources[0] != network.input and op.out is not None]

    def largest(kernel: int, stride: int, cores: bool = False) -> Conv | None:
        fit = [op for op in inner if op.weight.shape[2] == kernel and op.stride == stride]
        fit = [op for op in fit if (op.cores is not None) == cores]
        return max(fit, key=lambda op: op.weight.size, default=None)

    kinds = {'3x3': (3, 1), '3x3_stride2': (3, 2), '1x1': (1, 1)}
    found = {'first': convs[0], 'last': next(op for op in convs if op.name == network.outputs[-1])}
    found |= {name: largest(*kind) for name, kind in kinds.items()}
    found |= {f'{name}_cores': largest(*kind, cores=True) for name, kind in kinds.items()}
    return {name: op for name, op in found.items() if op is not None}


def run_layer(simulator: Simulator, network: IntegerNetwork, op: Conv, maps: dict) -> dict[str, float]:
    """Figures of a layer, laid out as in the network."""
    lowered, source = lower(network, simulator.sizes.n), network.formats[op.sources[0]]
    op = next(other for other in lowered.network.ops if other.name == op.name)
    x = lowered.views[op.sources[0]].write(maps[op.sources[0]][0])
    output, cycles = simulator.run(op, x, source)
    model = total_cycles(conv_program(op, x, source, simulator.sizes).instructions, simulator.sizes.n)
    return compared([(lowered.views[op.name].read(output), maps[op.name][0])], model, cycles)


def run_network(simulator: Simulator, compiled: NetworkProgram, maps: dict) -> dict[str, float]:
    """The same of the whole network and all its maps."""
    network, program = compiled.network, compiled.program(maps[compiled.network.input][0])
    run = simulator.run_program(program)
    pairs = [
        (compiled.map(op.name, run.outside), maps[op.name][0]) for op in network.ops if op.name not in compiled.fused
    ]
    return compared(pairs, total_cycles(program.instructions, simulator.sizes.n), run.cycles)


def compared(pairs: list[tuple[np.ndarray, np.ndarray]], model: int, cycles: int) -> dict[str, float]:
    """Figures of maps that were made and those that they must be, and of cycles by the model and simulated."""
    return {
        'mismatches': sum(count_mismatches(made, right) for made, right in pairs),
        'values': sum(right.size for _, right in pairs),
        'cycles': cycles,
        'cycle_model_error': abs(model - cycles) / cycles,
    }


def measure(config_file: Path, checkpoint: Path, side: int) -> dict[str, float]:
    """Figures of one detector, ``side`` px."""
    config = load_config(ROOT / config_file)
    network = integer_network(config, ROOT / checkpoint, side)
    maps = network.run(image_integers(config, network.input_format, side)[None])
    layers, rows = chosen(network), {}
    for n, sizes in SIZES.items():
        simulator = Simulator(sizes, ROOT / 'work_dirs/fpga_builds')
        for name, op in layers.items():
            rows[f'{n}.{name}'] = run_layer(simulator, network, op, maps)
            print(f'{n}.{name} {op.name}: {rows[f"{n}.{name}"]}', flush=True)
        rows[f'{n}.network'] = run_network(simulator, network_program(network, sizes), maps)
        print(f'{n}.network: {rows[f"{n}.network"]}', flush=True)
    return {
        'layers': len(layers),
        'mismatches': sum(row['mismatches'] for row in rows.values()),
        'whole_network_mismatches': sum(rows[f'{n}.network']['mismatches'] for n in SIZES),
        'cycle_model_error': max(row['cycle_model_error'] for row in rows.values()),
        'img_size': side,
        **{f'{name}.{key}': value for name, row in rows.items() for key, value in row.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', type=Path, default=DETECTOR[0])
    parser.add_argument('--checkpoint', type=Path, default=DETECTOR[1])
    parser.add_argument('--img-size', type=int, default=160, help='px')
    parser.add_argument('--untrained', action='store_true', help='of fpga_untrained.py')
    words = parser.parse_args()
    if words.untrained:
        from fpga_untrained import untrained_int8

        words.config, words.checkpoint = untrained_int8()
    record('fpga_rtl', measure(words.config, words.checkpoint, words.img_size), [])


if __name__ == '__main__':
    main()
