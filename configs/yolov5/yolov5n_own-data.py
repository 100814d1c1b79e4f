# Your own pictures and classes, which _base_/datasets/own_data.py names; from scratch. With the weights of COCO fewer
# pictures do: --cfg-options load_from=checkpoints/yolov5n_coco.pth
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/yolov5n.py',
    '../_base_/datasets/own_data.py',
    '../_base_/schedules/samples.py',
]
custom_imports = dict(imports=['plugins.yolov5'], allow_failed_imports=False)
# cls_weight: YOLOv5 scales it by classes / 80, too little for few classes
model = dict(bbox_head=dict(num_classes=len(_base_.classes), criterion=dict(cls_weight=1.5)))
