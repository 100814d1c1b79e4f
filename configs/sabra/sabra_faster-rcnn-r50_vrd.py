# SABRA with Faster R-CNN R50-FPN on VRD, detector fine-tuned, for machines with GPUs.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/relation_faster-rcnn_r50.py',
    '../_base_/datasets/vrd.py',
    '../_base_/schedules/relations_pixels.py',
]
custom_imports = dict(imports=['plugins.sabra.register'], allow_failed_imports=False)
kinds = [0 if name == 'person' else 1 for name in _base_.classes]  # person, anything else
model = dict(
    detector=dict(roi_head=dict(bbox_head=dict(num_classes=len(kinds)))),
    head=dict(
        predicates=70,
        object_kinds=kinds,
        exclusive=True,
    ),
)
max_iters = 20 * 3500 // 2  # epochs, images, images a step of one process
train_cfg = dict(max_iters=max_iters, val_interval=max_iters // 10)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=1000),
    dict(type='MultiStepLR', by_epoch=False, begin=0, end=max_iters, milestones=[max_iters // 2], gamma=0.2),
]
load_from = 'checkpoints/faster_rcnn_r50_fpn_1x_coco.pth'  # the address: sabra_faster-rcnn-r50_hico.py
default_hooks = dict(checkpoint=dict(metric='relationship_r50_k1'))
custom_hooks = [dict(type='RelationHook'), dict(type='ReportHook', key='relationship_r50_k1')]
