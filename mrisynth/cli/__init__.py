"""The programs: their flags, their quiet start, their errors in one sentence."""
