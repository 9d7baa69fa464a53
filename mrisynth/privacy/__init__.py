"""Whether generated images are copies of training images: arrays in, figures and a verdict out."""
