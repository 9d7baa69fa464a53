"""Which labels of a data set can be asked for, and which subjects share their values."""
