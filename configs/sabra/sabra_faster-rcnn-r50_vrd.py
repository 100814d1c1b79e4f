# SABRA with Faster R-CNN R50-FPN on VRD, detector fine-tuned, for machines with GPUs.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/relation_faster-rcnn_r50.py',
    '../_base_/datasets/vrd.py',
    '../_base_/schedules/relations.py',
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
default_hooks = dict(checkpoint=dict(metric='relationship_r50_k1'))
custom_hooks = [dict(type='RelationHook'), dict(type='ReportHook', key='relationship_r50_k1')]
