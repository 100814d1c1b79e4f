"""report.html: cycles and bytes of every layer and of the network, boards, roofline, and what is assumed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from detplug.html_page import page, section, table, tiles
from detplug.report.sections import save_plot

from ..compiler.task import ConvTask
from ..hardware.sizes import Sizes
from ..simulation.cycles import LATENCY
from .boards import Board
from .fit import fit, frame_seconds
from .layers import Layer
from .network import LayerCost, network_cost
from .resources import Resources
from .roofline import roofline_figure

Costs = Mapping[str, Sequence[LayerCost]]  # form -> layers
TOTALS = ('form', 'MAC', 'cycles', 'of convolutions', 'element-wise', 'MAC a cycle', 'weight bytes', 'map bytes')
BOARDS = ('board', 'part', 'DSP', 'BRAM', 'LUT', 'FF', 'fits')


def assumptions(sizes: Sizes) -> tuple[str, ...]:
    """What the figures rest on, a sentence each."""
    return (
        'Power is not measured. The clock is not measured: it is the number assumed for a board, no design was placed '
        'or routed, and frames a second are an estimate from it, not a result.',
        f'Cycles come from the model that the simulation of the Verilog confirms: a word of {sizes.n} bytes a cycle '
        f'to and one from the memory outside, {LATENCY} cycles until a read answers, both beside computing. A memory '
        'that stalls, refreshes or is shared would add to them. Cycles of a layer are those from the last result of '
        'the layer before it to its own.',
        'Element-wise work (addition, pooling, upsampling) runs on the array and is counted, also apart. Concatenation '
        'is free where a map is written into its place, and addition where a convolution does it with its results. '
        'Activations are ReLU; batch norms are part of convolutions.',
        'Decoding of the boxes and non-maximum suppression run on the host and are not counted, and neither is the '
        'preparation of the image, which the host folds for the first convolution.',
        'The first convolution is dense in every form: its kernel is folded by the host.',
        'Weight bytes are weights or cores, biases and identities, filled up to whole blocks, as often as they are '
        'fetched. Resources are those that yosys maps; what joins the accelerator to a processor is not in them.',
    )


def write_report(
    folder: Path,
    name: str,
    costs: Costs,
    sizes: Sizes,
    resources: Mapping[str, Resources] | None = None,
    boards: Sequence[Board] = (),
) -> Path:
    """Write report.html and its picture; returns the page.

    Args:
        name: of the network and its image size.
        costs: form -> layers, of the same layers.
        resources: family of FPGAs -> what the accelerator takes; boards of no such family show no shares.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    note = 'MAC a cycle of each convolution against MAC a byte that the memory outside moves.'
    sections = [
        section('Accelerator', '', tiles(accelerator_facts(sizes)), kind='figures'),
        section('One frame', '', table(TOTALS, total_rows(costs)), kind='wide'),
    ]
    if boards:
        rows = [board_row(board, resources or {}, costs, sizes) for board in boards]
        heads = (*BOARDS, *(f'{form}, frames a second (estimate)' for form in costs))
        text = 'Shares of each board. ' + '; '.join(
            f'{board.name}: {board.clock_mhz:g} MHz and {board.ddr_bytes_per_second / 1e9:g} GB/s assumed'
            for board in boards
        )
        sections.append(section('Boards', text, table(heads, rows), kind='wide'))
    sections.append(section('Roofline', note, save_plot(folder, 'roofline', roofline_figure(costs, sizes.n))))
    sections.append(section('Layers', 'In order of execution.', layer_table(costs), kind='wide'))
    sections.append(section('Assumptions', ' '.join(assumptions(sizes))))
    (folder / 'report.html').write_text(page(f'Accelerator: {name}', sections))
    return folder / 'report.html'


def accelerator_facts(sizes: Sizes) -> dict[str, str]:
    """What the page says of the hardware."""
    return {
        'multipliers': f'{sizes.n} x {sizes.n}',
        'words of activations': f'{sizes.activations:,}',
        'words of results': f'{sizes.results:,}',
        'words of weights': f'{sizes.weights:,}',
        'pixels of sums': f'{sizes.sums:,}',
        'bytes on the chip': f'{sizes.bytes:,}',
    }


def total_rows(costs: Costs) -> list[list[str]]:
    """A row of TOTALS for each form."""
    rows = []
    for form, layer_costs in costs.items():
        whole, convs = network_cost(layer_costs), network_cost(layer_costs, elements=False)
        speed = whole.macs / whole.cycles if whole.cycles else 0.0
        counts = (whole.cycles, convs.cycles, whole.cycles - convs.cycles)
        moved = (whole.weight_bytes, whole.in_bytes + whole.out_bytes)
        rows.append([form, f'{whole.macs:,}', *(f'{x:,}' for x in counts), f'{speed:.0f}', *(f'{x:,}' for x in moved)])
    return rows


def board_row(board: Board, resources: Mapping[str, Resources], costs: Costs, sizes: Sizes) -> list[str]:
    """A row of BOARDS, and frames a second of each form."""
    shares = ['-'] * 5
    if board.family in resources:
        fitted = fit(board, resources[board.family], board.family)
        fits = 'yes' if fitted.fits else f'no: {", ".join(fitted.too_much)}'
        shares = [*(f'{100 * share:.0f} %' for share in fitted.shares.values()), fits]
    seconds = [frame_seconds(board, network_cost(layer_costs)) for layer_costs in costs.values()]
    return [board.name, board.part, *shares, *(f'{1 / x:.1f}' if x else '-' for x in seconds)]


def layer_table(costs: Costs) -> str:
    """Shape and ranks of each layer; cycles, weight bytes and map bytes of each form."""
    heads = ['layer', 'shape', 'ranks']
    heads += [f'{form}, {what}' for form in costs for what in ('cycles', 'weight bytes', 'map bytes')]
    rows = []
    for layer_costs in zip(*costs.values(), strict=True):
        layer = layer_costs[0].layer
        moved = ((x.cost.cycles, x.cost.weight_bytes, x.cost.in_bytes + x.cost.out_bytes) for x in layer_costs)
        cells = [f'{value:,}' for values in moved for value in values]
        rows.append([layer.name, shape_of(layer), ' '.join(map(str, layer.ranks)), *cells])
    return table(heads, rows)


def shape_of(layer: Layer) -> str:
    """Channels, kernel and map of a layer in a few words."""
    task = layer.task
    if isinstance(task, ConvTask):
        kernel = 'x'.join(map(str, task.kernel)) + ('' if task.stride == 1 else f' s{task.stride}')
        return f'{task.in_channels}-{task.out_channels} {kernel}, {task.in_rows}x{task.in_cols}'
    kind = 'add' if task.sources > 1 else 'max' if task.kernel != (1, 1) else 'up' if task.factor > 1 else 'copy'
    return f'{kind} {task.channels}, {task.in_rows}x{task.in_cols}'
