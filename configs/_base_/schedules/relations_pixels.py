# A detector and its relation head on pictures: 20 epochs as UPT (arXiv 2112.01838) trains its head; the detector, which
# starts from COCO, learns at a tenth of that rate (ours). Steps are those of one process with 2 images: with more
# processes give --keep-epochs.
images = 36118  # of HICO-DET's training split without those that are held out
max_iters = 20 * images // 2  # epochs, images, images a step
warmup = 4000  # steps

train_cfg = dict(type='ResumableIterLoop', max_iters=max_iters, val_interval=max_iters // 10)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4, fused=True),
    paramwise_cfg=dict(custom_keys=dict(detector=dict(lr_mult=0.1))),
    clip_grad=dict(max_norm=0.1),  # UPT's
)
auto_scale_lr = dict(enable=True, base_batch_size=16)  # lr is that of 16 images a step, UPT's
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warmup),
    dict(type='MultiStepLR', by_epoch=False, begin=0, end=max_iters, milestones=[max_iters // 2], gamma=0.2),
]
custom_hooks = [dict(type='RelationHook'), dict(type='ReportHook')]
