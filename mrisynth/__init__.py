"""mrisynth: new, non-confidential MR images learned from a hospital's own scans."""

__version__ = "0.1.0"
