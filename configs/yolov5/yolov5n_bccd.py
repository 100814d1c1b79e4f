# Blood cells: RBC, WBC, Platelets.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/yolov5n.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/finetune.py',
]
custom_imports = dict(imports=['plugins.yolov5.register'], allow_failed_imports=False)
# cls_weight: YOLOv5 scales it by classes / 80, too little for 3 classes in 700 steps
model = dict(bbox_head=dict(num_classes=3, criterion=dict(cls_weight=1.5)))
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py
