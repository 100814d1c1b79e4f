# SABRA with Faster R-CNN R50-FPN on HICO-DET, detector fine-tuned, for machines with GPUs.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/relation_faster-rcnn_r50.py',
    '../_base_/datasets/hico.py',
    '../_base_/schedules/relations_pixels.py',
]
custom_imports = dict(imports=['plugins.sabra.register'], allow_failed_imports=False)
kinds = [0 if name == 'person' else 1 for name in _base_.classes]  # person, anything else
model = dict(
    detector=dict(roi_head=dict(bbox_head=dict(num_classes=len(kinds)))),
    head=dict(
        predicates=117,
        object_kinds=kinds,
        subject_labels=[kinds.index(0)],
        power=2.8,
    ),
    max_relations=100,
)
# COCO's detector, of mmdet's model zoo; its classifier is put in the order of the classes here, by name. Address:
# https://download.openmmlab.com/mmdetection/v2.0/faster_rcnn/faster_rcnn_r50_fpn_1x_coco/faster_rcnn_r50_fpn_1x_coco_20200130-047c8118.pth
load_from = 'checkpoints/faster_rcnn_r50_fpn_1x_coco.pth'
default_hooks = dict(checkpoint=dict(metric='map_full'))
custom_hooks = [dict(type='RelationHook'), dict(type='ReportHook', key='map_full')]
