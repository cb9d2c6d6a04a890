"""Training runs: settings, folders, seeds, comparisons."""
