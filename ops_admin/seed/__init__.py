"""Brightwater Power: a believable utility, the same for the same seed, with dates relative to today."""
