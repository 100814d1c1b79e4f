"""What a data set around another one passes through."""

from typing import Any


class DatasetWrapper:
    """mmengine asks these of every data set; ``dataset`` is the one inside."""

    dataset: Any

    @property
    def metainfo(self) -> dict:
        return self.dataset.metainfo

    def full_init(self) -> None:
        self.dataset.full_init()

    def get_data_info(self, index: int) -> dict:
        return self.dataset.get_data_info(index)

    def __len__(self) -> int:
        return len(self.dataset)
