"""Importing this module registers every part of the plugin."""

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    import detplug.register  # noqa: F401

    from .bundle.export import export_fpga
    from .compressor import compress_detector
    from .cost.cycle_budget import cycles
    from .model import Quantised
    from .qonnx.export import export_qonnx

__all__ = ['Quantised', 'compress_detector', 'cycles', 'export_fpga', 'export_qonnx']
