"""Acoustic models behind one call: symbol ids in, ln mels out, whatever the architecture."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from .durations import StochasticDurations
from .fastspeech2 import FastSpeech2
from .matcha import Matcha
from .tacotron import Tacotron
from .tacotron2 import Tacotron2


def architecture(state):
    """The module class whose layout the keys are."""
    for key, cls in (("encPreNet.token_embedding.Embedding.weight", FastSpeech2), ("decoder.estimator.final_proj.weight", Matcha),
                     ("decoder.attention_rnn.rnn_cell.weight_ih", Tacotron), ("decoder.attention_rnn.weight_ih", Tacotron2)):
        if key in state:
            return cls
    raise ValueError("no known acoustic model: " + ", ".join(list(state)[:3]))


class Voice:
    """FILE.safetensors[:option=value...]; Matcha: steps, temperature, durations (a file); Tacotrons: window=1."""

    def __init__(self, spec, device):
        path, *options = spec.split(":")
        options = dict(o.split("=") for o in options)
        state = load_file(path)
        self.model = architecture(state).from_state(state).to(device)
        self.options, self.draws = {}, not isinstance(self.model, FastSpeech2)  # the others draw noise
        if isinstance(self.model, Matcha):
            self.options = dict(steps=int(options.get("steps", 4)), temperature=float(options.get("temperature", 0.667)))
            if "durations" in options:
                folder = Path(path).parent
                self.options["durations"] = StochasticDurations.from_state(load_file(str(folder / options["durations"]))).to(device)
        elif "window" in options:
            self.options = dict(with_window=options["window"] == "1")

    def mels(self, sentences):
        """Lists of ids -> (ln mels (T, 80), alignments and whether it stopped, or None)."""
        if isinstance(self.model, (Tacotron, Tacotron2)):
            out = self.model.infer(sentences, **self.options)
            return [mel for mel, _, _ in out], [rest for _, *rest in out]
        if isinstance(self.model, Matcha):
            return [self.model.infer(ids, **self.options)[0] for ids in sentences], None
        return [self.model.infer(ids)["mel_post"] for ids in sentences], None
