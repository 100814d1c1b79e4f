# SABRA on V-COCO from boxes alone, trainval -> test.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/vcoco_head.py',
    '../_base_/datasets/vcoco_trainval.py',
    '../_base_/schedules/relations.py',
]
custom_imports = dict(imports=['plugins.sabra.register'], allow_failed_imports=False)
model = dict(type='RelationDetector', max_boxes=32, head=_base_.vcoco_head)
default_hooks = dict(checkpoint=dict(metric='role_ap_s1', interval=500))
custom_hooks = [dict(type='RelationHook'), dict(type='ReportHook', key='role_ap_s1')]
