"""The tables of what the plugin fpga was measured to do, in configs/tt_yolov5/README.md."""

import itertools
import json
from pathlib import Path

from table_cells import cell, markdown, read

BOARDS = Path(__file__).resolve().parents[1] / 'plugins/fpga/cost/boards.json'
VARIANTS = {
    'dense': 'dense',
    'tt4x': '4x smaller, chains of convolutions',
    'tt4x_rebuild': '4x smaller, kernels rebuilt from int8 cores',
}
KINDS = {
    'float': 'float',
    'ptq': 'int8, calibrated',
    'ptq_tensor': 'int8, one scale a kernel',
    'qat': 'int8, fine-tuned',
}
ACTIVATIONS = {'silu': 'SiLU', 'relu': 'ReLU'}
COCO = {
    'float': ('float', 3),
    'ptq': ('int8, calibrated, a scale for each channel of a kernel', 3),
    'ptq_tensor': ('int8, calibrated, one scale a kernel', 3),
}
CALIBRATED = {'dense': 'BCCD, dense', 'tt4x': 'BCCD, 4x smaller, chains', 'coco': 'official weights, coco_tiny'}
PARTS = {
    'all': 'int8, calibrated',
    'narrow_index': 'activations looked up by 8 bits',
    'signed_sums': 'maps that are added have a sign',
    'clipped': 'maps clip the upper half of their range',
    'no_gains': 'without gains of maps',
    'no_neck_gains': 'without gains of the maps that the head reads',
    'no_move': 'kernels are not moved towards their float sums',
    'little_ridge': 'kernels are moved with a ridge of .01',
    'nearest': 'kernels are rounded to the nearest',
    'no_balance': 'maps inside of chains are not mixed',
    'two_bits_less': 'planted: maps of 6 bits',
}
CSIM = {
    'qonnx_mismatches': ('mismatches, QONNX against brevitas', 0),
    'hls_mismatches': ('mismatches, C simulation against QONNX', 0),
    'share_of_macs': ('share of the MACs in the C simulation', 3),
    'compile_seconds': ('seconds to compile it', 0),
    'compile_mb': ('MB to compile it', 0),
}
RTL = {
    'layers': ('layers', 0),
    'mismatches': ('mismatches, layers and maps of the network, N = 8 and 16', 0),
    'cycle_model_error': ('largest error of the cycle model, share', 4),
}
BUNDLE = {
    'images': ('images, 16 at 320 px and 2 at 640 px', 0),
    '320.maps': ('maps compared of each', 0),
    'mismatches': ('mismatches', 0),
    '320.model': ('cycles of the accelerator alone at 320 px, by the model', 0),
    '320.cycles.least': ('fewest behind AXI', 0),
    '320.cycles.most': ('most, a memory that withholds', 0),
}
ECP5 = {'MULT18X18D': 'multipliers', 'DP16KD': 'block memories', 'TRELLIS_COMB': 'LUTs'}
BLOCKS = {'dsp': 'DSP', 'bram': 'BRAM36', 'lut': 'LUT', 'ff': 'FF'}
FAMILIES = {'': '7 series', 'xcup.': 'UltraScale+'}
WIDTHS = (4, 8, 16)
FORMS = {'chain': 'cores as convolutions', 'rebuild': 'kernels rebuilt on chip'}
CASES = [('dense', 'dense'), *((ratio, form) for ratio in ('2x', '4x', '8x') for form in FORMS)]
# what others state of 640 px: (what, ms, DSP, assumed)
PUBLISHED = (
    ('TT-YOLOv5s (arXiv 2408.01534)', '553', '1351', 'published, another FPGA and a model of 4 times the MACs'),
    ('SATAY, YOLOv5n, ZCU104', '21.4', '-', 'published, all layers on the chip at once'),
)
OWN_BOARD, OWN_WIDTH = 'ZCU104', 16


def accuracy_table() -> str:
    """mAP of each variant in each kind of number."""
    figures = read('fpga_accuracy').get('figures', {})
    figures |= {f'relu.{name}.map': value for name, value in figures.items() if name.count('.') == 1}  # of ReLU alone
    rows = []
    for (activation, title), variant in itertools.product(ACTIVATIONS.items(), VARIANTS):
        cells = [cell(figures, f'{activation}.{variant}.{kind}.map') for kind in KINDS]
        if set(cells) != {'-'}:
            rows.append([f'{title}, {VARIANTS[variant]}', *cells])
    return markdown(['YOLOv5n', *KINDS.values()], rows)


def coco_table() -> str:
    """mAP of the official weights without training."""
    return plain_table('fpga_ptq_coco', COCO)


def calibration_table() -> str:
    """What each part of the calibration does to boxes and scores."""
    figures = read('fpga_calibration').get('figures', {})
    rows = []
    for part, title in PARTS.items():
        keys = [f'{detector}.{part}.{name}' for detector in CALIBRATED for name in ('iou_lost', 'score_change')]
        if set(keys) & figures.keys():
            rows.append([title, *(cell(figures, key, 4) for key in keys)])
    heads = [f'{title}: {what}' for title in CALIBRATED.values() for what in ('1 - IoU', 'score')]
    return markdown(['', *heads], rows)


def plain_table(name: str, titles: dict[str, tuple[str, int]]) -> str:
    """Named figures of one result file with their digits."""
    figures = read(name).get('figures', {})
    return markdown(
        ['what', 'figure'],
        [[title, cell(figures, key, digits)] for key, (title, digits) in titles.items() if key in figures],
    )


def resources_table() -> str:
    """Blocks of each family and width."""
    figures = read('fpga_resources').get('figures', {})
    designs = [(str(n), f'{n} x {n}') for n in WIDTHS] + [(f'{n}_paired', f'{n} x {n}, paired') for n in WIDTHS]
    rows = [
        [f'{family}, {text}', *(cell(figures, f'{prefix}{name}.{key}', int(key == 'bram')) for key in BLOCKS)]
        for prefix, family in FAMILIES.items()
        for name, text in designs
        if f'{prefix}{name}.dsp' in figures
    ]
    return markdown(['array', *BLOCKS.values()], rows)


def place_table() -> str:
    """Clock and utilisation of each width on an ECP5, and a frame at that clock."""
    figures = read('fpga_place').get('figures', {})
    rows = []
    for name in (f'ecp5.n{n}' for n in WIDTHS if f'ecp5.n{n}.mhz' in figures):
        clocks = [x for key, x in figures.items() if key.startswith(f'{name}.seed') and key.endswith('.mhz')]
        row = [name.removeprefix('ecp5.n'), cell(figures, f'{name}.mhz', 1), f'{min(clocks):.1f} to {max(clocks):.1f}']
        row += [f'{figures[f"{name}.{kind}.used"]} ({figures[f"{name}.{kind}.share"]:.0%})' for kind in ECP5]
        rows.append([*row, scaled(figures, f'{name}.cycles_320'), cell(figures, f'{name}.ms_frame_320', 0)])
    return markdown(['N', 'MHz, median', 'of five seeds', *ECP5.values(), 'cycles at 320 px, M', 'ms a frame'], rows)


def network_table() -> str:
    """Cycles and bytes of a frame, and how often the dense weights are those that are fetched."""
    figures = read('fpga_network').get('figures', {})
    rows = []
    for ratio, form in [case for case in CASES if f'{".".join(case)}.cycles' in figures]:
        name, dense = f'{ratio}.{form}', figures.get('dense.dense.weight_bytes')
        fewer = dense / figures[f'{name}.weight_bytes'] if dense and f'{name}.weight_bytes' in figures else None
        counts = [scaled(figures, f'{name}.{key}') for key in ('macs', 'cycles', 'element_cycles')]
        counts += [cell(figures, f'{name}.{key}', 2) for key in ('utilisation', 'computing')]
        moved = [scaled(figures, f'{name}.{key}') for key in ('weight_bytes', 'map_bytes')]
        rows.append([ratio, FORMS.get(form, '-'), *counts, *moved, '-' if fewer is None else f'{fewer:.2f}x'])
    heads = [
        'model',
        'form',
        'MACs, M',
        'cycles, M',
        'element-wise, M',
        'utilisation',
        'computing',
        'weight MB',
        'map MB',
        'fewer weight MB',
    ]
    return markdown(heads, rows)


def scaled(figures: dict[str, float], key: str) -> str:
    """A figure in millions; '-' where it does not exist."""
    return f'{figures[key] / 1e6:.2f}' if key in figures else '-'


def published_table() -> str:
    """Published figures, and ours as estimates: cycles over a clock that is assumed."""
    figures, taken = read('fpga_network').get('figures', {}), read('fpga_resources').get('figures', {})
    cases = [case for case in CASES if case[0] in ('dense', '4x') and f'{".".join(case)}.cycles' in figures]
    if not cases:
        return markdown([], [])
    megahertz = next(board['clock_mhz'] for board in json.loads(BOARDS.read_text()) if board['name'] == OWN_BOARD)
    rows = [list(row) for row in PUBLISHED]
    for ratio, form in cases:
        what = f'YOLOv5n, {ratio}' + (f', {FORMS[form]}' if form in FORMS else '')
        ms = figures[f'{ratio}.{form}.cycles'] / megahertz / 1000
        assumed = f'estimate: cycles at {megahertz:g} MHz, a clock that is assumed for {OWN_BOARD}'
        rows.append([what, f'({ms:.1f})', cell(taken, f'xcup.{OWN_WIDTH}.dsp', 0), assumed])
    return markdown(['640 px', 'ms', 'DSP', 'how'], rows)


TABLES = {
    'fpga_accuracy': accuracy_table,
    'fpga_ptq_coco': coco_table,
    'fpga_calibration': calibration_table,
    'fpga_csim': lambda: plain_table('fpga_csim', CSIM),
    'fpga_rtl': lambda: plain_table('fpga_rtl', RTL),
    'fpga_resources': resources_table,
    'fpga_place': place_table,
    'fpga_bundle': lambda: plain_table('fpga_bundle', BUNDLE),
    'fpga_network': network_table,
    'fpga_published': published_table,
}
