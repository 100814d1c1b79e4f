# A detector and its relation head on pictures: 20 epochs of batches of 16 images, as UPT (arXiv 2112.01838) trains its
# head; the detector, which starts from COCO, learns at a tenth of that rate (ours).
# A batch is 8 processes of 2 images (--launcher). With one process: optim_wrapper.accumulative_counts=8, and max_iters,
# val_interval, end and milestones times 8. max_iters is the data set's own: epochs * images / 16.
max_iters = 45000  # steps; HICO-DET without its held-out images: 20 * 36,118 / 16 = 45,148
warmup = 500  # steps

train_cfg = dict(type='ResumableIterLoop', max_iters=max_iters, val_interval=max_iters // 10)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(detector=dict(lr_mult=0.1))),
    clip_grad=dict(max_norm=0.1),  # UPT's
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warmup),
    dict(type='MultiStepLR', by_epoch=False, begin=0, end=max_iters, milestones=[max_iters // 2], gamma=0.2),
]
custom_hooks = [dict(type='RelationHook'), dict(type='ReportHook')]
