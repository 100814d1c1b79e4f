# BCCD blood smears: 364 images of 640x480 px in the official splits; val_clean and test_clean leave out the fields of
# view that overlap with another split. data/README.md says how to get it.
_base_ = ['../pipelines/microscopy_320.py', '../loaders.py']

data_root = '{{$DETPLUG_DATA:data}}/bccd/'
dataset = dict(type='CheckedVocDataset', data_root=data_root, metainfo=dict(classes=('RBC', 'WBC', 'Platelets')))

# object: position in the xml, from 0
wrong_boxes = [
    dict(image='BloodImage_00113', object=12, action='ignore', why='a platelet boxed as WBC'),
    dict(image='BloodImage_00133', object=9, action='ignore', why='a white cell boxed as Platelets'),
    dict(image='BloodImage_00135', object=8, action='ignore', why='a white cell boxed as Platelets'),
]
# training only: the images are full of red cells without a box, which must not be learnt as background
no_red_cells = [
    dict(image=f'BloodImage_00{number}', unlabelled='RBC', why='no red cell has a box')
    for number in (134, 150, 224, 250, 258, 267, 268, 322)
]

train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            dataset=dict(
                **dataset,
                images_file='ImageSets/Main/train.txt',
                known_label_errors=wrong_boxes + no_red_cells,
                pipeline=_base_.source_pipeline,
            ),
            pipeline=_base_.mix_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=16,
    dataset=dict(
        **dataset,
        images_file='splits.json',
        images_key='val_clean',
        exclude_key='not_scored',  # white cells without a box
        known_label_errors=wrong_boxes,
        pipeline=_base_.test_pipeline,
    ),
)
# published figures are of the 72 images of the official split: --cfg-options test_dataloader.dataset.images_key=test
# test_dataloader.dataset.exclude_key=None
test_dataloader = dict(
    batch_size=16,
    dataset=dict(
        **dataset,
        images_file='splits.json',
        images_key='test_clean',
        exclude_key='not_scored',
        known_label_errors=wrong_boxes,
        pipeline=_base_.test_pipeline,
    ),
)
val_evaluator = dict(type='BoxAP', max_dets=300)  # detections an image
test_evaluator = val_evaluator
