_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/yolov5s.py',
    '../_base_/datasets/coco.py',
    '../_base_/schedules/coco_300e.py',
]
custom_imports = dict(imports=['plugins.yolov5.register'], allow_failed_imports=False)
