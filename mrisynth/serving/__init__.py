"""Generators leave here: exported as SavedModels."""
