"""The converted official yolov5n on the 80 real COCO images of coco_tiny val: mAP and mAP50.

python benchmarks/yolov5_coco_tiny.py
"""

import json

from finetuning import ROOT, WEIGHTS, convert_weights, run_tool
from record import record

CONFIG = 'configs/yolov5/yolov5n_coco-tiny.py'

if __name__ == '__main__':
    convert_weights('../shared/weights/yolov5n.pt')
    out = ROOT / 'work_dirs/benchmarks/yolov5_coco_tiny/metrics.json'
    run_tool('test', CONFIG, str(WEIGHTS), '--out', str(out), '--work-dir', str(out.parent))
    metrics = json.loads(out.read_text())
    record('yolov5_coco_tiny', {key: metrics[key] for key in ('map', 'map50')}, [])
