"""int8 detectors with power-of-two scales, and what is made of them for an FPGA.

TT-YOLOv5 (Liu et al., arXiv 2408.01534) describes the accelerator; integers, export and checks are ours. The tools of
the extra [fpga] are imported where one is used: pip install detplug[fpga], or make setup.
"""

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    import detplug.register  # noqa: F401

    from .bundle.export import export_fpga
    from .compressor import compress_detector
    from .model import Quantised
    from .qonnx.export import export_qonnx

__all__ = ['Quantised', 'compress_detector', 'export_fpga', 'export_qonnx']
