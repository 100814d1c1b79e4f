"""Importing this module registers every part of the plugin."""

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    import detplug.register  # noqa: F401

    from .admm import ADMMHook
    from .block_influence import WithoutBlocks, remove_blocks
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
    'WithoutBlocks',
    'compress_detector',
    'remove_blocks',
]
