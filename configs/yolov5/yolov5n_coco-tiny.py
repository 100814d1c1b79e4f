# 80 + 80 real COCO images: checks the converted official weights; too small to train on.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/yolov5n.py',
    '../_base_/datasets/coco_tiny.py',
    '../_base_/schedules/finetune.py',
]
custom_imports = dict(imports=['plugins.yolov5.register'], allow_failed_imports=False)
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py
