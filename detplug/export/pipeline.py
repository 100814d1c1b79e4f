"""The test pipeline of a config as a rule for the runtime (:mod:`detplug.images.preparation`), and as torch runs it."""

import math
from collections.abc import Sequence

from mmdet.registry import TRANSFORMS
from mmengine.config import Config

from detplug.data.dataset_config import innermost_datasets
from detplug.errors import UserError
from detplug.images.letterbox import STRIDE
from detplug.images.window import Window, check_window

KEPT = ('LoadImageFromFile', 'LoadImageFromNDArray', 'LoadAnnotations', 'PackDetInputs')  # of mmdet, no pixel changes
ANY = ('height', 'width')  # names of the input's sides where they follow the image


def kind_of(step: dict) -> str:
    """The name of a transform's class, without the registry's scope."""
    kind = step['type']
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__


def pipeline_of(cfg: Config) -> list[dict]:
    """The pipeline of the test data set; of the one for validation where there is no other.

    Raises:
        UserError: the config has neither.
    """
    for name in ('test_dataloader', 'val_dataloader'):
        for dataset in innermost_datasets((cfg.get(name) or {}).get('dataset') or {}):
            if dataset.get('pipeline'):
                return list(dataset['pipeline'])
    raise UserError(f'{cfg.filename}: test_dataloader: missing; its pipeline says how images are prepared, so add it')


def image_rule(cfg: Config, side: int | None = None) -> tuple[dict, list]:
    """The manifest's ``letterbox`` and the input's [height, width], px or :data:`ANY`.

    Args:
        side: of a square input, in place of the pipeline's sizes.

    Raises:
        UserError: a transform that the runtime does not do.
    """
    rule = {'pad': 'none', 'pad_value': 0, 'centre': False, 'clip': 'image'}
    for step in pipeline_of(cfg):
        rule |= _of_step(step, f'{cfg.filename}: test_dataloader: {kind_of(step)}', side)
    if 'scale' not in rule:
        raise UserError(
            f'{cfg.filename}: test_dataloader: its pipeline has neither Letterbox nor Resize, so nothing says how '
            "large the input is; add dict(type='Letterbox', scale=(S, S))"
        )
    width, height = rule.pop('size', None) or (None, None)
    if rule['pad'] == 'square' and len(set(rule['scale'])) == 1:
        width, height = rule['scale']
    if side is not None:
        width = height = side
        rule |= {'scale': [side] * 2, 'fit': 'box', 'pad': 'none' if rule['pad'] == 'none' else 'size'}
    else:
        multiple = input_multiple(cfg)
        width, height = (x and multiple * math.ceil(x / multiple) for x in (width, height))
        if rule['pad'] == 'size' and [width, height] != rule.get('outer', [width, height]):
            raise UserError(f'{cfg.filename}: test_dataloader: pads to {rule["outer"]}, no multiples of {multiple} px')
    rule.pop('outer', None)
    words = 'ratio kept to fit the scale, smaller images grow, bilinear (OpenCV INTER_LINEAR)'
    return {'resize': words} | rule, [height or ANY[0], width or ANY[1]]


def _of_step(step: dict, where: str, side: int | None) -> dict:
    """What a transform adds to the rule.

    Raises:
        UserError: see above.
    """
    kind = kind_of(step)
    if kind == 'Letterbox':
        return _of_letterbox(step)
    if kind == 'Resize':
        return _of_resize(step, where)
    if kind == 'Pad':
        return _of_pad(step, where)
    build = TRANSFORMS.get(step['type']) if isinstance(step['type'], str) else step['type']
    if kind not in KEPT and getattr(build, '__module__', '').startswith(('mmdet.', 'mmcv.')):
        raise UserError(f'{where}: the runtime does Letterbox, or Resize (ratio kept) and Pad; leave it out')
    return {}  # what a plugin adds changes no pixels, or the comparison with torch refuses the bundle


def _of_letterbox(step: dict) -> dict:
    scale = [int(x) for x in step['scale']]
    rule = {
        'scale': scale,
        'fit': 'box',
        'pad_value': int(step.get('pad_val', 114)),
        'centre': bool(step.get('centre', False)),
    }
    if step.get('fixed', False):
        return rule | {'pad': 'size', 'size': scale, 'outer': scale}
    return rule | {'pad': 'multiple', 'multiple': STRIDE}


def _of_resize(step: dict, where: str) -> dict:
    scale = step.get('scale')
    plain = step.get('interpolation', 'bilinear') == 'bilinear' and step.get('backend', 'cv2') == 'cv2'
    if not step.get('keep_ratio') or not plain or not isinstance(scale, Sequence) or len(scale) != 2:
        raise UserError(f'{where}: the runtime does scale=(W, H) with keep_ratio=True, bilinear by cv2; change it')
    return {'scale': [int(x) for x in scale], 'fit': 'edges'}


def _of_pad(step: dict, where: str) -> dict:
    size, divisor, square = (step.get(key) for key in ('size', 'size_divisor', 'pad_to_square'))
    if sum(map(bool, (size, divisor, square))) != 1 or step.get('padding_mode', 'constant') != 'constant':
        raise UserError(f'{where}: the runtime pads with a constant to a size, a square or a divisor; give one of them')
    value = step.get('pad_val', 0)
    value = value.get('img', 0) if isinstance(value, dict) else value
    rule = {'pad_value': [int(x) for x in value] if isinstance(value, Sequence) else int(value), 'clip': 'padded'}
    if size:
        size = [int(x) for x in ((size, size) if isinstance(size, int) else size)]
        return rule | {'pad': 'size', 'size': size, 'outer': size}
    return rule | ({'pad': 'square'} if square else {'pad': 'multiple', 'multiple': int(divisor)})


def input_multiple(cfg: Config) -> int:
    """The input's sides are multiples of this many px: of the coarsest grid, and what the model itself pads to."""
    preprocessor = cfg.model.get('data_preprocessor') or {}
    return math.lcm(STRIDE, int(preprocessor.get('data_preprocessor', preprocessor).get('pad_size_divisor', 1)))


def input_side(cfg: Config, img_size: int | None) -> int:
    """Side of a square input: ``img_size``, by default the longer side of the pipeline's, as a multiple of the grid.

    Raises:
        UserError: a side that is not a positive multiple of the detector's coarsest stride.
    """
    multiple = input_multiple(cfg)
    if img_size is None:
        return multiple * math.ceil(max(image_rule(cfg)[0]['scale']) / multiple)
    if img_size <= 0 or img_size % multiple:
        raise UserError(
            f'--img-size {img_size}: not a positive multiple of {multiple} pixels; '
            f'try {max(round(img_size / multiple), 1) * multiple}'
        )
    return img_size


def prediction_steps(cfg: Config, side: int | None = None) -> list[dict]:
    """The test pipeline without annotations, for an image in memory: what ``predict`` does.

    Args:
        side: of a square input, in place of the pipeline's sizes.
    """
    steps = []
    for step in pipeline_of(cfg):
        kind = kind_of(step)
        if kind == 'LoadImageFromFile':
            step = dict(type='mmdet.LoadImageFromNDArray')
        elif kind == 'LoadAnnotations':
            continue
        elif kind == 'PackDetInputs' and 'meta_keys' in step:
            step = dict(step, meta_keys=tuple(key for key in step['meta_keys'] if key != 'instances'))
        elif side is not None and kind == 'Letterbox':
            step = dict(step, scale=(side, side), fixed=True)
        elif side is not None and kind == 'Resize':
            step = dict(step, scale=(side, side))
        elif side is not None and kind == 'Pad':
            kept = {key: value for key, value in step.items() if key not in ('size_divisor', 'pad_to_square')}
            step = dict(kept, size=(side, side))
        steps.append(step)
    return steps


def window_of(cfg: Config) -> Window | None:
    """The window of the test pipeline's ``LoadImageFromFile``."""
    windows = [step.get('window') for step in pipeline_of(cfg) if kind_of(step) == 'LoadImageFromFile']
    return check_window(windows[0] if windows else None, cfg.filename)
