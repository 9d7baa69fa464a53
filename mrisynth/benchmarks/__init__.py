"""How fast training, evaluation and releases are on this machine."""
