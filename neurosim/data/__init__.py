"""Image data sets as validated arrays, ready to be presented to a network.

:data:`DATASETS` says what there is, :func:`load_dataset` reads one. PyTorch
and torchvision are imported only when a data set is read that needs them, so that
listing the names is quick.
"""

from __future__ import annotations

from neurosim.data.dataset import Dataset, one_hot
from neurosim.data.loading import default_data_dir, describe_dataset, load_dataset
from neurosim.data.own import is_own, short_name
from neurosim.data.reading import READING_OPTIONS, Reading
from neurosim.data.registry import DATASETS, DatasetInfo, dataset_info

__all__ = [
    "DATASETS",
    "READING_OPTIONS",
    "Dataset",
    "DatasetInfo",
    "Reading",
    "dataset_info",
    "default_data_dir",
    "describe_dataset",
    "is_own",
    "load_dataset",
    "one_hot",
    "short_name",
]
