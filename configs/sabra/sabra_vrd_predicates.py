# The model of sabra_vrd_boxes.py, tested on VRD's predicate detection: boxes, classes and pairs of the truth are given.
_base_ = './sabra_vrd_boxes.py'
asked = [dict(type='LoadAnnotations', with_bbox=True, box_type=None), dict(type='TruthProposals', pairs=True)]
test_dataloader = dict(dataset=dict(pipeline=[*asked, dict(type='PackRelations', extent=True)]))
test_evaluator = dict(type='RelationMetric', protocol='vrd_predicate')
