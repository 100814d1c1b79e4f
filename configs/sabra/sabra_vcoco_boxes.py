# SABRA on V-COCO from boxes alone.
_base_ = ['../_base_/runtime.py', '../_base_/datasets/vcoco_boxes.py', '../_base_/schedules/relations.py']
custom_imports = dict(imports=['plugins.sabra'], allow_failed_imports=False)
model = dict(
    type='RelationDetector',
    max_boxes=32,
    head=dict(
        type='RelationHead',
        predicates=29,
        object_kinds=[0] + [1] * 79,  # person, anything else
        subject_labels=[0],
        solo=True,  # an action whose object is not in the picture
        power=2.8,
        graph=dict(dims=128, layers=2, one_type=False),
        mask_weight=1.0,
        dims=128,
        sampler=dict(type='BalancedNegativeSampler', num_pairs=64, pos_fraction=0.5),
    ),
)
default_hooks = dict(checkpoint=dict(metric='role_ap_s1', interval=500))
