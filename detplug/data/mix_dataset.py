"""mmdet's MultiImageMixDataset without its deep copies."""

from mmdet.datasets import MultiImageMixDataset
from mmdet.registry import DATASETS


@DATASETS.register_module()
class MixDataset(MultiImageMixDataset):
    """Give each transform that asks for it (``get_indexes``) other images of the data set in ``mix_results``.

    mmdet's class deep-copies every item before every transform, more than half of the time of a training sample at
    320 px (1.7 ms against 0.9; benchmarks/loader.py: natural_with_copies_ms, natural_ms). Our data sets make a new
    item at every access and share only read-only pixels, so nothing needs a copy. A transform that returns None is an
    error: ours never do.
    """

    def __getitem__(self, index: int) -> dict:
        results = self.dataset[index]
        for transform in self.pipeline:
            if hasattr(transform, 'get_indexes'):
                results['mix_results'] = [self.dataset[i] for i in transform.get_indexes(self.dataset)]
            results = transform(results)
            results.pop('mix_results', None)
        return results
