# Blood cells with lymphocyte and monocyte as the unknown classes.
# Split: detplug openset-split configs/yolov5/yolov5n_bccd7.py --unknown lymphocyte monocyte
_base_ = '../yolov5n_bccd7.py'

classes = 5
task = dict(
    metainfo=dict(classes=('RBC', 'Platelets', 'neutrophil', 'eosinophil', 'basophil')),
    unknown_classes=('lymphocyte', 'monocyte'),
)
split = dict(task, images_file='{{ fileDirname }}/splits/bccd7_lymphocyte-monocyte.json')
train_dataloader = dict(dataset=dict(dataset=dict(labelled=dict(dataset=split), unlabelled=dict(dataset=split))))
val_dataloader = dict(dataset=task)
test_dataloader = dict(dataset=task)
model = dict(
    classes=classes,
    detector=dict(bbox_head=dict(num_classes=classes + 1), test_cfg=dict(max_per_img=300 * (classes + 1))),
    teacher_cfg=dict(max_per_img=300 * (classes + 1)),
)
