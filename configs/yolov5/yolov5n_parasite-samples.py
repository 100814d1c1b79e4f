# Generated parasite eggs, trained from scratch in five to seven minutes; make demo trains it at 256 px.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/yolov5n.py',
    '../_base_/datasets/parasite_samples.py',
    '../_base_/schedules/samples.py',
]
custom_imports = dict(imports=['plugins.yolov5.register'], allow_failed_imports=False)
# cls_weight: YOLOv5 scales it by classes / 80; from scratch in 800 steps 8 classes need more than a tenth
model = dict(bbox_head=dict(num_classes=8, criterion=dict(cls_weight=1.5)))
