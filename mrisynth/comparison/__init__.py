"""Compares models by pairs of runs that differ in nothing but the model."""
