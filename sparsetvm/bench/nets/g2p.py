"""g2p-en: a word's letters become its phonemes, by one GRU that reads and one that writes.

An encoder-decoder without attention (Sutskever et al. 2014) with the weights of the g2p-en wheel
(Park & Kim, Apache-2.0), trained on the CMU pronouncing dictionary.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ...errors import ModelError
from .named import Net, nets

REQUIREMENT = "g2p-en==2.1.0"
HIDDEN = 256
END = "</s>"
START = "<s>"
LETTERS = ("<pad>", "<unk>", END, *"abcdefghijklmnopqrstuvwxyz")
ARPABET = """AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH
    EH0 EH1 EH2 ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG
    OW0 OW1 OW2 OY0 OY1 OY2 P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH"""
PHONEMES = ("<pad>", "<unk>", START, END, *ARPABET.split())
"""What the numbers of letters and phonemes stand for; vowels have their stress."""


class Encoder(nn.Module):
    """Letters [n, steps], the last one END, -> the state [1, n, 256] after them."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS), HIDDEN)
        self.gru = nn.GRU(HIDDEN, HIDDEN, batch_first=True)

    def forward(self, letters: torch.Tensor) -> torch.Tensor:
        return self.gru(self.embedding(letters))[1]


class Decoder(nn.Module):
    """Phonemes so far [n, steps] and a state -> scores of the next ones [n, steps, 74], the state.

    One step at a time it is a stream: each answer's state goes in with the next phoneme.
    """

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(PHONEMES), HIDDEN)
        self.gru = nn.GRU(HIDDEN, HIDDEN, batch_first=True)
        self.fc = nn.Linear(HIDDEN, len(PHONEMES))

    def forward(
        self, phonemes: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        outputs, state = self.gru(self.embedding(phonemes), state)
        return self.fc(outputs), state


class G2P(nn.Module):
    """Letters, and the phonemes that a teacher gives, -> scores of each next phoneme."""

    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def forward(self, letters: torch.Tensor, phonemes: torch.Tensor) -> torch.Tensor:
        return self.decoder(phonemes, self.encoder(letters))[0]


def g2p() -> G2P:
    """The encoder and the decoder with their weights, in eval mode."""
    model = G2P()
    model.load_state_dict(_weights(_weights_file()))
    return model.eval()


def letters_of(word: str) -> np.ndarray:
    """int64 [1, letters + 1], the end included."""
    known = {letter: i for i, letter in enumerate(LETTERS)}
    return np.array([[known.get(letter, known["<unk>"]) for letter in (*word, END)]])


@nets.register("g2p")
def g2p_net() -> Net:
    return Net(
        "g2p",
        g2p().encoder,
        (torch.from_numpy(letters_of("pronunciation")),),
        f"g2p-en's encoder on a word of 13 letters, real weights ({REQUIREMENT})",
    )


def _weights_file() -> Path:
    package = find_spec("g2p_en")  # found, not imported: importing it needs nltk and its data
    if package is None or package.origin is None:
        raise ModelError(
            f"g2p's weights are not installed; get them with: pip install --no-deps {REQUIREMENT}"
        )
    return Path(package.origin).parent / "checkpoint20.npz"


def _weights(path: Path) -> dict[str, torch.Tensor]:
    """enc_w_hh is encoder.gru.weight_hh_l0, and so on."""
    weights = {}
    with np.load(path) as arrays:
        for short, part in (("enc", "encoder"), ("dec", "decoder")):
            weights[f"{part}.embedding.weight"] = arrays[f"{short}_emb"]
            for kind, role in (("w", "weight"), ("b", "bias")):
                for side in ("ih", "hh"):
                    weights[f"{part}.gru.{role}_{side}_l0"] = arrays[f"{short}_{kind}_{side}"]
        weights |= {"decoder.fc.weight": arrays["fc_w"], "decoder.fc.bias": arrays["fc_b"]}
    return {name: torch.from_numpy(array) for name, array in weights.items()}
