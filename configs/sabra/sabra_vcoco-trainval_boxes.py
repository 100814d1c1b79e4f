# SABRA on V-COCO from boxes alone in the split that papers print: trained on train and val, but for the tenth of train
# that checkpoints are chosen by; tested on test.
_base_ = './sabra_vcoco_boxes.py'

both = dict(type='RelationDataset', **_base_.dataset, pipeline=_base_.train_dataloader.dataset.dataset.pipeline)
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type='ConcatDataset',
            datasets=[
                dict(**both, ann_file='annotations/train.json', images_file='splits.json', images_key='train'),
                dict(**both, ann_file='annotations/val.json'),
            ],
        )
    )
)
test_dataloader = dict(dataset=dict(ann_file='annotations/test.json'))
