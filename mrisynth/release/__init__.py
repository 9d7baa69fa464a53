"""Synthetic data sets: images drawn from an export, in formats that others can use."""
