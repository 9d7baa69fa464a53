"""Puts measures, privacy figures and pictures of a generator together, against real, held-out subjects."""
