"""Labelled recordings of every compartment."""

from __future__ import annotations

from neurosim.recording.recording import (
    MEMORY_LIMIT,
    Recorder,
    RecordingSize,
    layer_numbers,
    open_recording,
    record_with,
    recording_size,
    save_recording,
    select_layer,
    show_images,
)

__all__ = [
    "MEMORY_LIMIT",
    "Recorder",
    "RecordingSize",
    "layer_numbers",
    "open_recording",
    "record_with",
    "recording_size",
    "save_recording",
    "select_layer",
    "show_images",
]
