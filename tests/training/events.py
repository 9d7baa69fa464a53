"""What TensorBoard would show of a run."""

import tensorflow as tf


def logged_scalars(run_dir):
    """Every scalar's values by its name, in the order they were written in."""
    found = {}
    for path in (run_dir / "tensorboard").iterdir():
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    found.setdefault(value.tag, []).append(float(tf.make_ndarray(value.tensor)))
    return found
