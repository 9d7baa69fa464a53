"""Asking a running TensorFlow Serving for images."""
