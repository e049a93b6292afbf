"""Triton's HTTP client as people use it: health, metadata, inference with binary and JSON tensors, errors."""

import json
import os

import numpy as np
import tritonclient.http as triton

ROW = json.loads(os.environ["ROW"])
MODEL = os.environ["MODEL"]


def headers():
    """A new dict each time: the client writes the length of its JSON into the one that it gets, and leaves it there."""
    return {"x-api-key": os.environ["KEY"]}


def column(name, datatype):
    """Two rows of a column; in the second one what is a number with a fraction is missing."""
    if datatype == "BYTES":
        return np.array([ROW[name], ROW[name]], dtype=np.object_)
    if datatype == "INT64":
        return np.array([ROW[name], ROW[name]], dtype=np.int64)
    return np.array([ROW[name], np.nan], dtype=np.float32)


def inputs(metadata, binary):
    made = []
    for tensor in metadata["inputs"]:
        values = column(tensor["name"], tensor["datatype"])
        datatype = "FP32" if tensor["datatype"] == "FP64" else tensor["datatype"]
        # One of them as a matrix of one column.
        if tensor["name"] == "year":
            values = values.reshape(2, 1)
        made.append(triton.InferInput(tensor["name"], list(values.shape), datatype))
        made[-1].set_data_from_numpy(values, binary_data=binary)
    return made


def refused(what, ask):
    try:
        ask()
    except triton.InferenceServerException as error:
        assert what in str(error), str(error)
        return
    raise AssertionError(f"{what} was not refused")


client = triton.InferenceServerClient(os.environ["HOST"])
assert client.is_server_live() and client.is_server_ready()
assert client.get_server_metadata()["name"] == "gristmill"
assert client.is_model_ready(MODEL, headers=headers())
assert client.is_model_ready(MODEL, "1", headers=headers())
assert not client.is_model_ready(MODEL, "2", headers=headers())
metadata = client.get_model_metadata(MODEL, headers=headers())
labels = next(one for one in metadata["outputs"] if one["name"] == "probabilities")["parameters"]["labels"]

answers = []
for binary in (True, False):
    # Without outputs the client asks for all of them as bytes.
    result = client.infer(MODEL, inputs(metadata, binary), headers=headers())
    predictions = [text.decode() for text in result.as_numpy("prediction")]
    chances = result.as_numpy("probabilities")
    assert chances.shape == (2, 3) and np.allclose(chances.sum(axis=1), 1), chances
    assert [labels[place] for place in chances.argmax(axis=1)] == predictions
    assert predictions[0] == "Chinstrap", predictions
    answers.append((predictions, chances.tolist()))
assert answers[0] == answers[1]

wanted = [triton.InferRequestedOutput("prediction", binary_data=False), triton.InferRequestedOutput("prediction_id")]
result = client.infer(MODEL, inputs(metadata, True), outputs=wanted, request_id="abc", headers=headers())
assert result.get_response()["id"] == "abc" and result.as_numpy("probabilities") is None
assert result.as_numpy("prediction").tolist() == answers[0][0]
again = client.infer(MODEL, inputs(metadata, True), outputs=wanted, request_id="abc", headers=headers())
assert (again.as_numpy("prediction_id") == result.as_numpy("prediction_id")).all()

refused("Sign in", lambda: client.infer(MODEL, inputs(metadata, True)))
refused("island", lambda: client.infer(MODEL, [one for one in inputs(metadata, True) if one.name() != "island"], headers=headers()))
stranger = triton.InferInput("continent", [2], "FP32")
stranger.set_data_from_numpy(np.array([1, 2], dtype=np.float32))
refused("continent", lambda: client.infer(MODEL, [*inputs(metadata, True), stranger], headers=headers()))
print("done")
