"""Labelled recordings of every compartment."""

from __future__ import annotations

from neurosim.recording.labels import layer_numbers, select_layer
from neurosim.recording.netcdf import open_recording, save_recording
from neurosim.recording.recorder import Recorder
from neurosim.recording.recording import MEMORY_LIMIT, record_images, record_with
from neurosim.recording.size import RecordingSize, recording_size

__all__ = [
    "MEMORY_LIMIT",
    "Recorder",
    "RecordingSize",
    "layer_numbers",
    "open_recording",
    "record_images",
    "record_with",
    "recording_size",
    "save_recording",
    "select_layer",
]
