"""Generators as files that need nothing of mrisynth: SavedModel, model card, warm-up requests."""
