import subprocess
import sys


def test_pictures_are_listed_and_tiled_without_torch_and_what_brings_it():
    code = (
        'import sys; from detplug.images import sources, tiled_engine; '
        "assert not {'torch', 'mmdet', 'mmengine', 'mmcv', 'tiffslide'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, '-c', code], check=True)
