# Blood cells with five known classes; eosinophil and basophil are unknown.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/yolov5n.py',
    '../_base_/datasets/bccd7.py',
    '../_base_/schedules/finetune.py',
]
custom_imports = dict(imports=['plugins.yolov5.register'], allow_failed_imports=False)
# cls_weight: as yolov5n_bccd.py
model = dict(bbox_head=dict(num_classes=5, criterion=dict(cls_weight=1.5)))
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py
