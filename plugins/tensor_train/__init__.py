"""Tensor-Train layers, rank selection (LWIQ), and compression of any mmdet model; TT-YOLOv5.

Papers: Liu et al. (arXiv 2408.01534), LWIQ of Luo et al. (arXiv 2408.01534v1), ADMM-TT of Yin et al. (arXiv
2107.12422). README.md says what is theirs and what is ours.
"""

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    import detplug.register  # noqa: F401

    from .admm import ADMMHook
    from .compress import Compression
    from .compressed import TTCompressed, TTYOLOv5Backbone
    from .compressor import compress_detector
    from .distillation import DistillationHook
    from .tt_conv import TTConv2d

__all__ = [
    'ADMMHook',
    'Compression',
    'DistillationHook',
    'TTCompressed',
    'TTConv2d',
    'TTYOLOv5Backbone',
    'compress_detector',
]
