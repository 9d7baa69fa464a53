import pytest
import tensorflow as tf

pytestmark = pytest.mark.both_stacks

prediction_log_pb2 = pytest.importorskip(
    "tensorflow_serving.apis.prediction_log_pb2", reason="tensorflow-serving-api is not installed"
)


@pytest.fixture(params=["heads", "asked"])
def export(request, heads, conditional):
    """NAME/1, of a model without labels and of one with them."""
    return {"heads": heads, "asked": conditional / "1"}[request.param]


def test_warm_up_requests_are_genuine_and_the_model_answers_them(export):
    """Parsed by the messages that TensorFlow Serving has, and run as it runs them."""
    path = export / "assets.extra" / "tf_serving_warmup_requests"
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    signatures = tf.saved_model.load(str(export)).signatures
    warmed = set()
    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record)
        # Nothing in it is unknown to the genuine messages, or of another type.
        assert log.SerializeToString(deterministic=True) == record
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == export.parent.name
        inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        (output,) = signatures[request.model_spec.signature_name](**inputs).values()
        assert output.shape[0] == 1
        warmed.add(request.model_spec.signature_name)
    assert warmed == {"serving_default", "generate", "png"} == set(signatures)
