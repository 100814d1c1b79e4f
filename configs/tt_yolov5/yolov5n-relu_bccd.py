# YOLOv5n with ReLU in place of SiLU, for hardware: blood cells.
_base_ = '../yolov5/yolov5n_bccd.py'
model = dict(backbone=dict(act_cfg=dict(type='ReLU')), neck=dict(act_cfg=dict(type='ReLU')))
# the COCO weights were trained with SiLU, so more steps than the other one's 700
train_cfg = dict(max_iters=1400)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min=1e-4, by_epoch=False, begin=50, end=1400, T_max=1350),
]
