"""The configs that a compression leaves: one that trains the small detector, one that does so beside its teacher."""

from pathlib import Path

from mmdet.models.detectors import DetectionTransformer
from mmengine.config import Config

from detplug.compression.compressors import CompressRequest

HERE = '{{ fileDirname }}'  # mmengine puts the folder of the config file here


def write_configs(request: CompressRequest, folder: Path, model: dict) -> None:
    """config.py, which fine-tunes and exports the compressed ``model``; distill.py, the same beside its teacher.

    A teacher that the config has already stays the teacher.
    """
    config = Config(request.cfg.to_dict())
    config.model = model
    config.load_from = f'{HERE}/compressed.pth'
    imports = config.get('custom_imports', dict(imports=[], allow_failed_imports=False))
    imports['imports'] = list(dict.fromkeys([*imports['imports'], f'{__package__}.register']))
    config.custom_imports = imports
    hooks = config.get('custom_hooks', [])
    teachers = [hook for hook in hooks if hook['type'] == 'DistillationHook']
    config.custom_hooks = [hook for hook in hooks if hook['type'] != 'DistillationHook']
    (folder / 'config.py').write_text(config.pretty_text)
    hook = Config(dict(hook=teachers[0] if teachers else teacher_hook(request)))
    (folder / 'distill.py').write_text(
        f"_base_ = 'config.py'\n{hook.pretty_text}custom_hooks = [*_base_.custom_hooks, hook]\n"
    )


def teacher_hook(request: CompressRequest) -> dict:
    """The hook that compares outputs with those of the detector that is compressed.

    The head of a DETR is left out: denoising queries give its outputs another shape in training.
    """
    names = ('neck',) if isinstance(request.model, DetectionTransformer) else ('neck', 'bbox_head', 'rpn_head')
    parts = {name: 1.0 for name in names if getattr(request.model, name, None) is not None}
    checkpoint = str(Path(request.checkpoint).resolve())
    return dict(type='DistillationHook', teacher=request.cfg.model.to_dict(), checkpoint=checkpoint, weights=parts)
