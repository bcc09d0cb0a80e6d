"""Real recurrent nets: g2p pronounces as in torch with the same zeros, silero-vad hears as in ONNX
Runtime."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import sparsetvm as st
from sparsetvm.bench.nets import g2p
from sparsetvm.bench.nets.g2p import HIDDEN, letters_of
from sparsetvm.bench.pronunciation import (
    dictionary,
    lessons,
    phoneme_error_rate,
    pronounce,
)

BLOCKS = st.Plan.from_dict(
    {
        "layers": [
            {"match": "*weight_ih*", "structure": "block", "filters": 16, "rate": 4.0},
            {"match": "*weight_hh*", "structure": "block", "filters": 16, "rate": 2.0},
        ]
    }
)


@pytest.mark.skipif(not find_spec("g2p_en"), reason="no g2p-en weights")
def test_g2p_pruned_by_blocks_pronounces_as_torch_does():
    words, dense = dictionary(20, seed=1, letters=7), g2p()
    spoken = {}
    for name, refit_on in (("by magnitude", None), ("refitted", lessons(200, seed=2, letters=8))):
        model = st.prune(dense, BLOCKS, refit_on)
        spoken[name] = {word: pronounce(*_in_torch(model), word) for word in words}
    rates = {name: phoneme_error_rate(said, words) for name, said in spoken.items()}
    assert rates["refitted"] < 0.5 * rates["by magnitude"]

    letters = torch.from_numpy(letters_of("letters"))
    step = (torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 1, HIDDEN))
    encode = st.load(st.compile(model.encoder, letters, plan=BLOCKS, threads=1))
    decode = st.load(st.compile(model.decoder, step, plan=BLOCKS, threads=1))
    ours = {word: pronounce(encode, lambda p, s: decode([p, s]), word) for word in words}
    assert ours == spoken["refitted"]


@pytest.mark.skipif(not find_spec("silero_vad"), reason="no silero-vad model")
@pytest.mark.parametrize(("rate", "samples"), [(16000, 576), (8000, 288)])
def test_silero_matches_onnx_runtime_chunk_by_chunk(rate, samples):
    from onnxruntime import InferenceSession

    path = Path(find_spec("silero_vad").origin).parent / "data" / "silero_vad.onnx"
    state, rng = np.zeros((2, 1, 128), np.float32), np.random.default_rng(0)
    loudness = np.reshape([0.01, 0.1, 1, 0], (4, 1, 1))
    chunks = (loudness * rng.standard_normal((4, 1, samples))).astype(np.float32)
    lir = st.export(path, (chunks[0], state, np.int64(rate)))
    assert [name for name, *_ in lir.inputs] == ["input", "state"]
    assert [layer.kind for layer in lir.layers].count("lstm") == 1
    engine, session = st.load(st.compile(lir, threads=1)), InferenceSession(path)
    ours = theirs = state
    for chunk in chunks:
        feeds = {"input": chunk, "state": theirs, "sr": np.array(rate)}
        expected, theirs = session.run(None, feeds)
        speech, ours = engine([chunk, ours])
        np.testing.assert_allclose(speech, expected, atol=1e-5)
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def _in_torch(model):
    def encode(letters):
        with torch.inference_mode():
            return model.encoder(torch.from_numpy(letters)).numpy()

    def decode(phoneme, state):
        with torch.inference_mode():
            answer = model.decoder(torch.from_numpy(phoneme), torch.from_numpy(state))
        return tuple(y.numpy() for y in answer)

    return encode, decode
