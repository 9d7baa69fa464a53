"""What images are good for: networks are trained on generated ones and tested on real, held-out subjects."""
