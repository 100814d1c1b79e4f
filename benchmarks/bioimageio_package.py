"""Is ``export --format bioimageio`` accepted by ``bioimageio test`` of bioimageio.core, without a network?

passed: 1 where the package is valid and its network gives its test tensors again, in that program's onnxruntime, which
is in an environment of its own: it asks for another numpy, and its specification does not work with pydantic 2.14.
pip install bioimageio.core==0.11.0 pydantic==2.12.5 onnxruntime

python benchmarks/bioimageio_package.py VENV/bin/bioimageio
"""

import os
import subprocess
import sys

from finetuning import ROOT, WEIGHTS, convert_weights, run_tool
from record import record

CONFIG, OUT = 'configs/yolov5/yolov5n_coco-tiny.py', 'work_dirs/benchmarks/bioimageio'
COMMAND = 'python benchmarks/bioimageio_package.py VENV/bin/bioimageio'
ADDRESSES = ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY')

if __name__ == '__main__':
    (tool,) = sys.argv[1:]
    convert_weights('../shared/weights/yolov5n.pt')
    os.environ.setdefault('DETPLUG_DATA', str(ROOT.parent / 'shared' / 'data'))
    words = ['--format', 'bioimageio', '--img-size', '320', '--map-images', '80', '--out', OUT]
    run_tool('export', CONFIG, str(WEIGHTS), *words)
    nowhere = os.environ | dict.fromkeys(ADDRESSES, 'http://127.0.0.1:9')  # whatever it asks for fails at once
    done = subprocess.run((tool, 'test', f'{OUT}/rdf.yaml'), cwd=ROOT, env=nowhere, capture_output=True, text=True)
    said = done.stdout + done.stderr
    print(said[-3000:])
    passed = done.returncode == 0 and 'status           passed' in said
    record(
        'bioimageio', {'passed': int(passed), 'outputs': said.count('all elements agree with expected')}, [], COMMAND
    )
