# 300 epochs of COCO at batch 16 (118,287 / 16 = 7,393 steps each), learning rate linear to 1 %: the length and rates of
# YOLOv5's recipe, not all of it. YOLOv5 takes an optimizer step every 64 images (so a quarter as many weight decays and
# averages) and warms the rate of the biases up from .1. No detector was trained with this file here.
max_iters = 300 * 7393
warmup = 3 * 7393  # steps

train_cfg = dict(type='ResumableIterLoop', max_iters=max_iters, val_interval=5 * 7393)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.937, weight_decay=5e-4, nesterov=True, fused=True),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=warmup),
    dict(type='LinearLR', start_factor=1.0, end_factor=0.01, by_epoch=False, begin=warmup, end=max_iters),
    dict(type='LinearMomentum', start_factor=0.8 / 0.937, by_epoch=False, begin=0, end=warmup),
]
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=1e-4, gamma=2000, update_buffers=True),  # gamma: steps
    dict(type='ReportHook'),
]
