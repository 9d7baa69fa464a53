"""What TensorBoard would show of a run."""

import tensorflow as tf


def logged(run_dir, plugin):
    """All that one of TensorBoard's plugins shows: (step, value) by name, as they were written."""
    found = {}
    for path in sorted((run_dir / "tensorboard").iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == plugin:
                    found.setdefault(value.tag, []).append((event.step, value))
    return found


def logged_scalars(run_dir):
    """Every scalar's values by its name, in the order they were written in."""
    return {
        name: [float(tf.make_ndarray(value.tensor)) for _, value in events]
        for name, events in logged(run_dir, "scalars").items()
    }
