"""What the two Tacotrons share: recurrences that end where an item ends, the teacher's alignment, attention diagnostics."""

import torch
import torch.nn as nn


def length_mask(lengths, n):
    """(B,) -> (B, N) of ones inside and zeros behind."""
    return (torch.arange(n, device=lengths.device)[None] < lengths[:, None]).float()


def run_cell(cell, x):
    """A cell's weights over a whole sequence (B, T, C) from a zero state; returns (B, T, H)."""
    return _run(isinstance(cell, nn.LSTMCell), [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh], x, cell.training)


def run_bidirectional(rnn, x, lengths):
    """A bidirectional nn.LSTM or nn.GRU over (B, N, C); the way back starts at each item's own end.

    So a padded batch gives each item what it gets alone. Returns (B, N, 2 H).
    """
    t = torch.arange(x.shape[1], device=x.device)[None]
    back = torch.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)[..., None]
    out = []
    for suffix in ("", "_reverse"):
        weights = [getattr(rnn, f"{k}_l0{suffix}") for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        y = x.gather(1, back.expand(-1, -1, x.shape[2])) if suffix else x
        y = _run(isinstance(rnn, nn.LSTM), weights, y, rnn.training)
        out.append(y.gather(1, back.expand(-1, -1, y.shape[2])) if suffix else y)
    return torch.cat(out, -1)


def _run(is_lstm, weights, x, training):
    h = torch.zeros(1, len(x), weights[1].shape[1], device=x.device)
    options = (weights, True, 1, 0.0, training, False, True)
    return torch._VF.lstm(x, (h, h), *options)[0] if is_lstm else torch._VF.gru(x, h, *options)[0]


def fed_back(mel, r, noise=0.0, lost=0.0, blank=None):
    """What a decoder step reads in training: the r frames before it, zeros at first; (B, T, M) -> (B, T / r, r M).

    noise: deviation of what is added; lost: share of the steps that read `blank` (M,) instead, so that the text has to tell
    what the frames would.
    """
    b, t, m = mel.shape
    fed = mel.reshape(b, t // r, r * m)
    fed = fed[:, :-1] + noise * torch.randn_like(fed[:, :-1])
    if blank is not None:
        fed = torch.where(torch.rand(b, fed.shape[1], 1, device=mel.device) < lost, blank.repeat(r), fed)
    return torch.cat([torch.zeros_like(fed[:, :1]), fed], 1)


def teacher_alignment(durations, lengths, n_steps, r):
    """(B, steps, N): the share of each decoder step's r frames that each symbol has; the last symbol behind the end."""
    end = durations.cumsum(1).float()[:, None]
    begin = end - durations[:, None].float()
    t = torch.arange(n_steps, device=durations.device).float()[None, :, None] * r
    share = (torch.minimum(end, t + r) - torch.maximum(begin, t)).clamp_min(0)
    total = share.sum(-1, keepdim=True)
    last = (torch.arange(durations.shape[1], device=durations.device) == lengths[:, None] - 1).float()[:, None]
    return torch.where(total > 0, share / total.clamp_min(1e-6), last)


def window(energies, position, behind=1, ahead=4):
    """Energies (B, N) outside position - behind ..= position + ahead become hopeless: attention can only walk on."""
    i = torch.arange(energies.shape[1], device=energies.device)[None] - position[:, None]
    return energies.masked_fill((i < -behind) | (i > ahead), -1e4)


def attention_faults(alignment, counts, stopped, seconds_per_step):
    """What went wrong in one sentence: alignment (steps, N); counts (N,) tells the symbols that must be heard.

    skip: a sound never had a tenth of the attention; repeat: the path went back by two or more symbols after
    having stayed ahead for three steps; stall: the same symbol for more than 1.5 s; early: it ended more than three
    symbols before the end; endless: it never stopped.
    """
    steps, n = alignment.shape
    path = alignment.argmax(1).tolist()
    faults = []
    if bool(((alignment.max(0).values < 0.1) & counts).any()):
        faults.append("skip")
    farthest, since = path[0], 0
    for step, at in enumerate(path):
        if at > farthest:
            farthest, since = at, step
        if at <= farthest - 2 and step - since >= 3:
            faults.append("repeat")
            break
    longest, run = 0, 0
    for before, at in zip(path, path[1:]):
        run = run + 1 if before == at and at < n - 2 else 0
        longest = max(longest, run)
    if longest * seconds_per_step > 1.5:
        faults.append("stall")
    if path[-1] < n - 4:
        faults.append("early")
    if not stopped:
        faults.append("endless")
    return faults
