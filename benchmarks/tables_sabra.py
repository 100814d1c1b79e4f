"""The tables of configs/sabra/README.md."""

from sabra_variants import VARIANTS
from table_cells import cell, markdown, read

# (what it is, figures of R@50 and R@100)
VRD = (
    ('predicate, k = 1, a pair predicts once', 'predicate_r50_k1', 'predicate_r100_k1'),
    ('predicate, k = 1, a row predicts (official)', 'predicate_official_r50_k1', 'predicate_official_r100_k1'),
    ('predicate, k = 70', 'predicate_r50_k70', 'predicate_r100_k70'),
    ('relationship, k = 1', 'relationship_r50_k1', 'relationship_r100_k1'),
    ('relationship, k = 70', 'relationship_r50_k70', 'relationship_r100_k70'),
    ('phrase, k = 1', 'phrase_r50_k1', 'phrase_r100_k1'),
)
# figure -> (column, digits)
ABLATION = {
    'relationship_r50_k1': ('R@50, k = 1', 1),
    'relationship_r50_k70': ('R@50, k = 70', 1),
    'relationship_r100_k70': ('R@100, k = 70', 1),
    'fp_at_equal_recall': ('FP at equal recall', 0),
    **{f'fp_n{kind}': (f'N{kind}', 0) for kind in range(1, 5)},  # VRD has no N5
    'fp_positive': ('related pair', 0),
}
VCOCO = {
    f'{boxes}_{scenario}{roles}': (f'{title} {scenario.upper()}, {count} roles', 1)
    for roles, count in (('', 24), ('_25', 25))
    for boxes, title in (('gt', 'truth'), ('noise', 'noise'))
    for scenario in ('s1', 's2')
}
SPEED = {
    'bnps_ms': 'BNPS: labels of 9,900 pairs, 64 drawn',
    'mh_gat_ms': 'MH-GAT, 2 layers, typed edges with vectors, 16 images x 30 boxes',
    'pyg_ms': "PyTorch Geometric's GATConv, 2 layers, edges with vectors, the same graphs",
    'pyg_plain_ms': 'GATConv without edge vectors',
    'whole_ms': 'MH-GAT with the pair vectors and embeddings it is given',
}
BNPS = {'related_ap': 1, 'fp_50': 0, 'fp_50_n4': 0}  # figure -> digits
METRICS = {
    'hico_seconds': 'HICO-DET, 9,658 images x 100 detections, default and known-object setting',
    'vcoco_seconds': 'V-COCO val, 2,867 images x 100 detections, agents and roles',
}


def vrd_table() -> str:
    """Recalls of sabra_vrd.json."""
    figures = read('sabra_vrd').get('figures', {})
    measured = [row for row in VRD if row[1] in figures]
    rows = [[title, *(cell(figures, key, 1) for key in keys)] for title, *keys in measured]
    return markdown(['task', 'R@50', 'R@100'], rows)


def variants_table(name: str, columns: dict[str, tuple[str, int]]) -> str:
    """The variants of a result file that has figures VARIANT.NAME."""
    figures = read(name).get('figures', {})
    measured = [x for x in VARIANTS if any(key.startswith(f'{x}.') for key in figures)]
    rows = [
        [f'`{x}`', *(cell(figures, f'{x}.{key}', digits) for key, (_, digits) in columns.items())] for x in measured
    ]
    return markdown(['variant', *(title for title, _ in columns.values())], rows)


def bnps_table() -> str:
    """Settings and samplers of sabra_bnps.json: treatment drawn, effect seen."""
    figures = read('sabra_bnps').get('figures', {})
    names = dict.fromkeys(tuple(key.split('.')[:2]) for key in figures)
    rows = []
    for name in (f'{setting}.{sampler}' for setting, sampler in names):
        drawn = '/'.join(cell(figures, f'{name}.drawn_n{kind}', 1) for kind in range(1, 6))
        effects = [change_cell(figures, f'{name}.{key}', digits) for key, digits in BNPS.items()]
        rows.append([*(f'`{x}`' for x in name.split('.')), drawn, *effects])
    head = ['setting', 'sampler', 'drawn N1..N5, %', 'AP related', 'FP at half recall', 'FP of N4 there']
    return markdown(head, rows)


def change_cell(figures: dict[str, float], key: str, digits: int) -> str:
    """A figure, and its change against uniform sampling with the limits of its interval."""
    limits = [f'{key}_change{end}' for end in ('', '_low', '_high')]
    if not all(name in figures for name in limits):
        return cell(figures, key, digits)
    change, low, high = (figures[name] for name in limits)
    unit = ' %' if '.fp_' in key else ''
    return f'{cell(figures, key, digits)}; {change:+.1f}{unit} [{low:+.1f}, {high:+.1f}]'


def samples_table() -> str:
    """mAP, minutes, and the average precision of each verb."""
    result = read('sabra_samples')
    figures = result.get('figures', {})
    verbs = [key for key in figures if key.startswith('ap_') and not key.endswith('_std')]
    names = [key.removeprefix('ap_').replace('_', ' ') for key in verbs]
    row = [cell(figures, 'map'), cell(figures, 'minutes', 1), len(result.get('seeds', [])) or '-']
    rows = [[*row, *(cell(figures, key) for key in verbs)]] if figures else []
    return markdown(['mAP', 'minutes', 'seeds', *(f'AP {name}' for name in names)], rows)


def speed_table() -> str:
    """Milliseconds of sabra_speed.json, and how they compare."""
    figures = read('sabra_speed').get('figures', {})
    rows = [[title, cell(figures, key, 1)] for key, title in SPEED.items()] if figures else []
    if figures:
        rows.append(['MH-GAT over GATConv with edge vectors (ratio)', cell(figures, 'gat_over_pyg', 2)])
    return markdown(['what', 'ms'], rows)


def metrics_table() -> str:
    """Seconds of relation_metrics_speed.json."""
    figures = read('relation_metrics_speed').get('figures', {})
    rows = [[title, cell(figures, key, 1)] for key, title in METRICS.items()] if figures else []
    return markdown(['evaluation', 'seconds'], rows)


TABLES = {
    'sabra_vrd': vrd_table,
    'sabra_bnps': bnps_table,
    'sabra_ablation': lambda: variants_table('sabra_ablation', ABLATION),
    'sabra_vcoco': lambda: variants_table('sabra_vcoco', VCOCO),
    'sabra_samples': samples_table,
    'sabra_speed': speed_table,
    'relation_metrics_speed': metrics_table,
}
