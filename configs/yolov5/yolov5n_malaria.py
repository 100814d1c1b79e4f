# Malaria thin smears: red blood cell, ring, gametocyte; trophozoite and schizont are unknown.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/yolov5n.py',
    '../_base_/datasets/malaria.py',
    '../_base_/schedules/finetune.py',
]
custom_imports = dict(imports=['plugins.yolov5.register'], allow_failed_imports=False)
# cls_weight: as yolov5n_bccd.py
# test_cfg: about 110 red cells an image, doubled boxes among them, would take the places of all others
model = dict(
    bbox_head=dict(num_classes=3, criterion=dict(cls_weight=1.5)),
    test_cfg=dict(nms=dict(iou_threshold=0.5), max_per_class=300, max_per_img=900),
)
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py
