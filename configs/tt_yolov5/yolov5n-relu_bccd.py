# YOLOv5n with ReLU in place of SiLU, for hardware: blood cells.
_base_ = '../yolov5/yolov5n_bccd.py'
model = dict(backbone=dict(act_cfg=dict(type='ReLU')), neck=dict(act_cfg=dict(type='ReLU')))
max_iters = 1400  # the COCO weights were trained with SiLU, so more steps than the other one's 700
train_cfg = dict(max_iters=max_iters)
warm_up, cosine = _base_.param_scheduler
param_scheduler = [warm_up, dict(cosine, end=max_iters, T_max=max_iters - warm_up.end)]
