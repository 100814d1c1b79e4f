# Chula-ParasiteEgg-11: 11 species of eggs.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/yolov5n.py',
    '../_base_/datasets/chula_egg11.py',
    '../_base_/schedules/finetune.py',
]
custom_imports = dict(imports=['plugins.yolov5.register'], allow_failed_imports=False)
model = dict(bbox_head=dict(num_classes=11))
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py
