# SABRA on VRD from boxes alone: no picture is needed, annotations and detections are.
_base_ = ['../_base_/runtime.py', '../_base_/datasets/vrd_boxes.py', '../_base_/schedules/relations.py']
custom_imports = dict(imports=['plugins.sabra.register'], allow_failed_imports=False)
model = dict(
    type='RelationDetector',
    max_boxes=32,
    head=dict(
        type='RelationHead',
        predicates=70,
        object_kinds=[0] + [1] * 99,  # person, anything else
        exclusive=True,
        graph=dict(dims=128, layers=2, one_type=False),
        mask_weight=1.0,
        dims=128,
        dropout=0.3,
        power=1.0,
        sampler=dict(type='BalancedNegativeSampler', num_pairs=32, pos_fraction=0.5, scope='batch', replacement=True),
    ),
)
default_hooks = dict(checkpoint=dict(metric='relationship_r50_k1', interval=500))
custom_hooks = [dict(type='RelationHook'), dict(type='ReportHook', key='relationship_r50_k1')]
