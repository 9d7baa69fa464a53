"""The evaluation as one self-contained HTML page."""

from mrisynth.report.page import render, write_report

__all__ = ["render", "write_report"]
