"""Image data sets as validated arrays, ready to be presented to a network.

:data:`DATASETS` says what there is, :func:`load_dataset` reads one. PyTorch,
torchvision and scikit-learn are imported only when a data set is read, so that
listing the names is quick.
"""

from __future__ import annotations

from neurosim.data.dataset import Dataset, one_hot
from neurosim.data.loading import default_data_dir, load_dataset
from neurosim.data.registry import DATASETS, DatasetInfo, dataset_info

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetInfo",
    "dataset_info",
    "default_data_dir",
    "load_dataset",
    "one_hot",
]
