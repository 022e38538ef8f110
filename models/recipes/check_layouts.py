"""Check the acoustic models and WaveNet in lib/ against reference tensors made with the public implementations.

    python check_layouts.py FOLDER      (FOLDER holds tacotron1, tacotron2, matcha, sdp and wavenet, each model.safetensors and io.npz)

and check that a padded batch gives each item what the item gets alone.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from lib.durations import StochasticDurations
from lib.matcha import Frames, Matcha
from lib.tacotron import Tacotron
from lib.tacotron2 import Tacotron2
from lib.wavenet import Sampler, load_public

LIMIT = 1e-4


def fixture(folder, name):
    values = {k: torch.from_numpy(v) for k, v in np.load(folder / name / "io.npz").items()}
    return load_file(str(folder / name / "model.safetensors")), values


def check(name, ours, theirs):
    difference = float((ours.float().reshape(theirs.shape) - theirs.float()).abs().max())
    print(f"{name:36s} {difference:.1e}")
    assert difference < LIMIT, name


def tacotrons(folder):
    state, z = fixture(folder, "tacotron2")
    model = Tacotron2.from_state(state)
    model.decoder.prenet.dropout = False
    ids = z["nodropout.ids"][0]
    o = model.decode([ids], max_steps=60)
    o["pre"], o["post"] = o["pre"].transpose(1, 2), o["post"].transpose(1, 2)
    for ours, theirs in (("memory", "encoder_out"), ("pre", "mel_pre"), ("post", "mel_post"), ("attention", "alignments")):
        check(f"tacotron2 {theirs}", o[ours], z[f"nodropout.{theirs}"])
    both = model.decode([ids, ids[:-5]], max_steps=30)
    alone = model.decode([ids[:-5]], max_steps=30)
    check("tacotron2 in a batch", both["post"][1], alone["post"][0])

    state, z = fixture(folder, "tacotron1")
    model = Tacotron.from_state(state, n_mels=20)
    model.dropout = False
    ids = z["ids"][0]
    o = model.decode([ids], max_steps=12)
    for ours, theirs in (("memory", "enc_cbhg"), ("pre", "mel"), ("post", "linear"), ("attention", "alignments")):
        check(f"tacotron {theirs}", o[ours], z[f"nodropout.{theirs}"])
    both = model.decode([ids, ids[:-5]], max_steps=12)
    alone = model.decode([ids[:-5]], max_steps=12)
    check("tacotron in a batch", both["post"][1], alone["post"][0])


def forced_is_free(model):
    """Fed with what it said itself, the training pass must say the same as the free one."""
    torch.manual_seed(0)
    ids = torch.randint(1, model.embedding.num_embeddings, (12,))
    o = model.decode([ids], max_steps=9)
    n = int(o["end"][0])
    frames = n * model.r if isinstance(model, Tacotron2) else (n - 1) * model.r
    durations = torch.zeros(1, 12, dtype=torch.long)
    durations[0, 0] = frames
    y = model(ids[None], torch.tensor([12]), durations, o["pre"][:, :n * model.r], torch.zeros(1, dtype=torch.bool), 0.0)
    check(f"{type(model).__name__} forced against free", y["pre"], o["pre"][:, :n * model.r])
    check(f"{type(model).__name__} refined", y["post"], o["post"][:, :n * model.r])


@torch.no_grad()
def flow(folder):
    state, z = fixture(folder, "matcha")
    model = Matcha.from_state(state)
    for tag in ("single", "slow"):
        steps, temperature, scale = z[f"{tag}.n_timesteps_temp_scale"].tolist()
        mel, _ = model.infer(z[f"{tag}.x"][0], int(steps), temperature, scale, noise=z[f"{tag}.noise"])
        theirs = z[f"{tag}.mel"]
        check(f"matcha {tag} mel", mel.T[None][..., :theirs.shape[2]], theirs)
    torch.manual_seed(0)
    lengths, n = torch.tensor([37, 22]), 64
    x, mu = torch.randn(2, 80, n), torch.randn(2, 80, n)
    t = torch.tensor([0.3, 0.7])
    mu = mu * Frames.of(lengths, n).valid
    both = model.decoder.estimator(x, mu, Frames.of(lengths, n), t)
    for i, k in enumerate(lengths.tolist()):
        m = -(-k // 4) * 4
        alone = model.decoder.estimator(x[i:i + 1, :, :m], mu[i:i + 1, :, :m], Frames.of(lengths[i:i + 1], m), t[i:i + 1])
        check(f"matcha item {i} in a batch", both[i, :, :k], alone[0, :, :k])

    state, z = fixture(folder, "sdp")
    model = StochasticDurations.from_state(state)
    check("durations sampled", model.sample(z["x"], z["x_mask"], z["z"]), z["logw_noise0_8"])
    print("io of sdp:", {k: tuple(v.shape) for k, v in z.items()})
    check("durations likelihood", model(z["x"], z["x_mask"], z["w"], z["e_q"]), z["nll"])


@torch.no_grad()
def samples(folder):
    state, z = fixture(folder, "wavenet")
    model = load_public(state, stacks=2)
    c, before = model.upsample(z["c"].transpose(1, 2)), z["x_teacher"][0]
    check("wavenet c_upsampled", c.transpose(1, 2), z["c_upsampled"])
    at_once = model(before, c)
    check("wavenet y_teacher", at_once.transpose(1, 2), z["y_teacher"])
    sampler, steps = Sampler(model, torch.ones(1)), []
    for t in range(before.shape[1]):
        steps.append(sampler.params(before[:, t], c[:, t]))
        sampler.at += 1
    check("wavenet step by step", torch.stack(steps, 1), at_once)


def main(folder):
    tacotrons(folder)
    flow(folder)
    samples(folder)
    torch.manual_seed(1)
    with torch.no_grad():
        tacotron2 = Tacotron2(d=16, prenet=8, attention_rnn=12, decoder_rnn=10, attention=8, filters=4, postnet=8).eval()
        tacotron2.decoder.prenet.dropout = False
        forced_is_free(tacotron2)
        tacotron = Tacotron(embedding=16, d=8, decoder=12, banks=(4, 3), projection=16, hidden=8, prenet=(16, 8)).eval()
        tacotron.dropout = False
        forced_is_free(tacotron)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
