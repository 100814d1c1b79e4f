"""The tables of configs/tt_yolov5/README.md."""

from table_cells import cell, markdown, read

RATIOS = ('2x', '4x', '8x')
INITS = {'activation': 'activation-aware', 'svd': 'TT-SVD of the kernel'}
THREADS = (1, 2)


def bccd_table() -> str:
    """Every ratio and selection of tt_bccd.json; counts in thousands and millions."""
    figures = read('tt_bccd').get('figures', {})
    rows = []
    for name in dict.fromkeys(key.rpartition('.')[0] for key in figures):
        accuracy = (cell(figures, f'{name}.{key}') for key in ('map', 'map50', 'val_map'))
        seeds = figures[f'{name}.seeds']
        rows.append([f'`{name}`', *_sizes(figures, name), *accuracy, _loss(figures, name), seeds])
    return markdown(['', 'parameters, k', 'MACs, M', 'mAP', 'mAP50', 'mAP on val', 'mAP lost (95 %)', 'seeds'], rows)


def _sizes(figures: dict[str, float], name: str) -> list[str]:
    scales = (('params', 1e3), ('macs', 1e6))
    return [f'{figures[f"{name}.{key}"] / scale:.0f}' if f'{name}.{key}' in figures else '-' for key, scale in scales]


def _loss(figures: dict[str, float], name: str) -> str:
    values = [figures.get(f'{name}.{key}') for key in ('loss', 'loss_low', 'loss_high')]
    return '-' if None in values else '{:.3f} ({:.3f} to {:.3f})'.format(*values)


def baselines_table() -> str:
    """Every method of tt_baselines.json; counts in thousands and millions, cycles at N = 8."""
    figures, rows = read('tt_baselines').get('figures', {}), []
    for name in dict.fromkeys(key.rpartition('.')[0] for key in figures if key.endswith('.map')):
        cycles = f'{figures[f"{name}.cycles"] / 1e6:.2f}' if f'{name}.cycles' in figures else '-'
        accuracy = [cell(figures, f'{name}.{key}') for key in ('map', 'map50', 'val_map')]
        rows.append([f'`{name}`', *_sizes(figures, name), cycles, *accuracy, figures[f'{name}.seeds']])
    heads = ['', 'parameters, k', 'MACs, M', 'cycles, M', 'mAP', 'mAP50', 'mAP on val', 'seeds']
    return markdown(heads, rows)


def init_table() -> str:
    """Share of the dense mAP that is kept without training, of each selection and beginning."""
    figures = read('tt_init').get('figures', {})
    end = '_1_25x_kept'
    selections = dict.fromkeys(key.partition('.')[0] for key in figures if '.' in key and key.endswith(end))
    rows = [[f'`{x}`', *(cell(figures, f'{x}.{init}{end}', 2) for init in INITS)] for x in selections]
    return markdown(['ranks', *INITS.values()], rows)


def patches_table() -> str:
    """Relative error of each k x k layer's output; none trained."""
    figures = read('tt_patches').get('figures', {})
    ends = ('whitened', 'patches', 'whitened_val', 'patches_val')
    layers = [key.removesuffix('.patches') for key in figures if key.endswith('.patches') and key != 'maps.patches']
    rows = [[f'`{x}`', *(cell(figures, f'{x}.{end}') for end in ends)] for x in layers]
    maps = [cell(figures, f'maps.{form}') if figures else '-' for form in ends[:2]]
    rows.append(['all cut: the maps of neck and head, share of their squares', '', '', *maps])
    return markdown(['', 'pixels', 'patches', 'pixels, val', 'patches, val'], rows)


def latency_table() -> str:
    """Milliseconds of an image."""
    figures = read('tt_latency').get('figures', {})
    forms = ('dense', *RATIOS, *(f'{ratio}.lwiq' for ratio in RATIOS)) if figures else ()
    kinds = [(runtime, threads) for runtime in ('torch', 'onnxruntime') for threads in THREADS]
    rows = [[form, *(cell(figures, f'{runtime}.{threads}.{form}', 1) for runtime, threads in kinds)] for form in forms]
    heads = [f'{runtime}, {threads} thread{"s" * (threads > 1)}' for runtime, threads in kinds]
    return markdown(['', *heads], rows)


def search_table() -> str:
    """Seconds of a search, and of a whole compression."""
    figures = read('tt_search').get('figures', {}) | read('tt_compress').get('figures', {})
    titles = {
        'sensitivity_seconds': 'sensitivity of all layers, once',
        'lwiq_seconds': 'LWIQ scores of all layers, once',
        'reallocate_seconds': 'ranks for a new budget',
        'grid_seconds': 'ten uniform ratios, built and evaluated',
        'n_seconds': 'compress YOLOv5n, the whole command',
        's_seconds': 'compress YOLOv5s, the whole command',
    }
    return markdown(
        ['what', 'seconds'], [[title, f'{figures[key]:.3g}'] for key, title in titles.items() if key in figures]
    )


TABLES = {
    'tt_baselines': baselines_table,
    'tt_bccd': bccd_table,
    'tt_init': init_table,
    'tt_latency': latency_table,
    'tt_patches': patches_table,
    'tt_search': search_table,
}
