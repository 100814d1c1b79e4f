# Blood cells without anybody's weights: starts from random ones, or from a detector of the generated eggs
# (--cfg-options load_from=...), as the bundle `blood-cells` does.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/yolov5n.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/samples.py',
]
custom_imports = dict(imports=['plugins.yolov5.register'], allow_failed_imports=False)
max_iters = 2000
train_cfg = dict(max_iters=max_iters, val_interval=200)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=_base_.warmup),
    dict(
        type='CosineAnnealingLR',
        eta_min=2e-5,
        by_epoch=False,
        begin=_base_.warmup,
        end=max_iters,
        T_max=max_iters - _base_.warmup,
    ),
]
train_dataloader = dict(batch_size=8)
model = dict(bbox_head=dict(num_classes=3, criterion=dict(cls_weight=1.5)))
