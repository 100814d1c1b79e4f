# Faster R-CNN on the YOLOv5n backbone, blood cells.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/faster-rcnn_yolov5n.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/finetune.py',
]
custom_imports = dict(imports=['plugins.yolov5.register'], allow_failed_imports=False)
model = dict(roi_head=dict(bbox_head=dict(num_classes=3)))  # RBC, WBC, Platelets
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py; only the backbone's tensors fit
