"""Tacotron (2017, CBHG) with the parameter names of r9y9/tacotron_pytorch.

Two things are our own choice within that layout: mels are dB-normalised with another floor (see `normalize`),
and the post-net writes the refined mel instead of a linear spectrogram, as fatchord's Tacotron does, so that
a neural vocoder can follow. In a padded batch every item gets what it gets alone (in eval mode).
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from .recurrent import fed_back, length_mask, run_bidirectional, run_cell, teacher_alignment, window

REF_LEVEL_DB, MIN_LEVEL_DB = 20.0, -180.0
BATCH_NORM_MOMENTUM = 0.02  # the batches differ much in length, so running statistics need a long memory
DB = 20 / math.log(10)
FLOOR = math.log(1e-5)
SILENCE = 0.2  # the r9y9 rule: a step whose values all lie below ends the sentence


def normalize(ln_mel):
    """ln mel -> 0..1. The quietest ln mel, ln 1e-5, becomes 1/3: everything below is free to mean "the end"."""
    return (ln_mel * DB - REF_LEVEL_DB - MIN_LEVEL_DB) / -MIN_LEVEL_DB


def denormalize(y):
    return ((y * -MIN_LEVEL_DB + REF_LEVEL_DB + MIN_LEVEL_DB) / DB).clamp_min(FLOOR)


class Prenet(nn.Module):
    def __init__(self, a, sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip([a] + sizes[:-1], sizes))

    def forward(self, x, dropout):
        for layer in self.layers:
            x = F.dropout(F.relu(layer(x)), 0.5, dropout)
        return x


class ConvNorm(nn.Module):
    """Convolution, ReLU (or nothing), then batch norm; even kernels reach one further to the left."""

    def __init__(self, a, b, kernel, activation):
        super().__init__()
        self.conv1d = nn.Conv1d(a, b, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm1d(b, momentum=BATCH_NORM_MOMENTUM)
        self.activation = activation

    def forward(self, x):
        y = self.conv1d(x)[:, :, :x.shape[2]]
        return self.bn(F.relu(y) if self.activation else y)


class Highway(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.H, self.T = nn.Linear(d, d), nn.Linear(d, d)
        nn.init.constant_(self.T.bias, -1.0)

    def forward(self, x):
        gate = torch.sigmoid(self.T(x))
        return F.relu(self.H(x)) * gate + x * (1 - gate)


class Cbhg(nn.Module):
    def __init__(self, d, bank, projection):
        super().__init__()
        self.conv1d_banks = nn.ModuleList(ConvNorm(d, d, k, True) for k in range(1, bank + 1))
        self.conv1d_projections = nn.ModuleList([ConvNorm(d * bank, projection, 3, True), ConvNorm(projection, d, 3, False)])
        self.pre_highway = nn.Linear(d, d, bias=False)  # in the layout, used only where widths differ
        self.highways = nn.ModuleList(Highway(d) for _ in range(4))
        self.gru = nn.GRU(d, d, batch_first=True, bidirectional=True)

    def forward(self, x, lengths, mask):
        """x (B, T, C), mask (B, T) -> (B, T, 2 C)"""
        m = mask[:, None]
        h = x.transpose(1, 2) * m
        h = torch.cat([bank(h) for bank in self.conv1d_banks], 1)
        h = F.max_pool1d(h, 2, 1, padding=1)[:, :, :x.shape[1]]
        for projection in self.conv1d_projections:
            h = projection(h * m)
        h = h.transpose(1, 2) + x
        for highway in self.highways:
            h = highway(h)
        return run_bidirectional(self.gru, h, lengths)


class Encoder(nn.Module):
    def __init__(self, embedding, hidden, d, bank):
        super().__init__()
        self.prenet = Prenet(embedding, [hidden, d])
        self.cbhg = Cbhg(d, bank, d)


class Mechanism(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.query_layer, self.v = nn.Linear(d, d, bias=False), nn.Linear(d, 1, bias=False)


class AttentionRnn(nn.Module):
    def __init__(self, n_in, d):
        super().__init__()
        self.rnn_cell, self.attention_mechanism = nn.GRUCell(n_in, d), Mechanism(d)


class Decoder(nn.Module):
    def __init__(self, memory, n_out, prenet, d):
        super().__init__()
        self.memory_size, self.state_size = memory, d
        self.prenet = Prenet(n_out, list(prenet))
        self.attention_rnn = AttentionRnn(prenet[1] + memory, d)
        self.memory_layer = nn.Linear(memory, d, bias=False)
        self.project_to_decoder_in = nn.Linear(d + memory, d)
        self.decoder_rnns = nn.ModuleList(nn.GRUCell(d, d) for _ in range(2))
        self.proj_to_mel = nn.Linear(d, n_out)


class AttentionLoop:
    """The part of the decoder that must go step by step: attention RNN, energies, context."""

    def __init__(self, decoder, memory, lengths):
        self.d, self.memory = decoder, memory
        self.keys = decoder.memory_layer(memory)
        self.v = decoder.attention_rnn.attention_mechanism.v.weight[0]
        self.pad = length_mask(lengths, memory.shape[1]) == 0
        self.h = torch.zeros(len(memory), decoder.memory_layer.out_features, device=memory.device)
        self.context = torch.zeros(len(memory), memory.shape[2], device=memory.device)
        self.weights = None

    def energies(self, prenet):
        rnn = self.d.attention_rnn
        self.h = rnn.rnn_cell(torch.cat([prenet, self.context], 1), self.h)
        query = rnn.attention_mechanism.query_layer(self.h)[:, None]
        return (torch.tanh(query + self.keys) @ self.v).masked_fill(self.pad, -1e4)

    def look(self, weights):
        self.weights = weights
        self.context = torch.bmm(weights[:, None], self.memory)[:, 0]


class Tacotron(nn.Module):
    def __init__(self, n_symbols=79, embedding=256, d=112, r=3, n_mels=80, decoder=256, n_out=80, banks=(16, 8), projection=256,
                 hidden=256, prenet=(256, 128)):
        super().__init__()
        self.r, self.n_mels = r, n_mels
        self.dropout = True  # of the decoder's prenet, at inference too
        self.embedding = nn.Embedding(n_symbols, embedding)
        self.encoder = Encoder(embedding, hidden, d, banks[0])
        self.decoder = Decoder(2 * d, r * n_mels, prenet, decoder)
        self.postnet = Cbhg(n_mels, banks[1], projection)
        self.last_linear = nn.Linear(2 * n_mels, n_out)

    @classmethod
    def from_state(cls, state, n_mels=80):
        """The module whose sizes the tensors' shapes tell."""
        size = lambda key, dim=0: state[key].shape[dim]
        bank = lambda part: 1 + max(int(k.split(".conv1d_banks.")[1].split(".")[0]) for k in state if k.startswith(part + ".conv1d_banks."))
        m = cls(*state["embedding.weight"].shape, size("encoder.prenet.layers.1.weight"), size("decoder.proj_to_mel.weight") // n_mels,
                n_mels, size("decoder.memory_layer.weight"), size("last_linear.weight"), (bank("encoder.cbhg"), bank("postnet")),
                size("postnet.conv1d_projections.0.conv1d.weight"), size("encoder.prenet.layers.0.weight"),
                tuple(size(f"decoder.prenet.layers.{i}.weight") for i in (0, 1)))
        m.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()}, strict=False)
        return m.eval()

    def start_at(self, mean, std):
        """Starting weights for normalised mels of this mean (per bin) and deviation."""
        with torch.no_grad():
            nn.init.normal_(self.embedding.weight, 0, 0.3)
            first = self.decoder.prenet.layers[0]
            first.weight.mul_(0.5 / std)
            first.bias.sub_(first.weight @ mean.repeat(self.r))
            for last in (self.decoder.proj_to_mel, self.last_linear):
                last.weight.mul_(std)
                last.bias.copy_(mean.repeat(last.out_features // self.n_mels))

    def encode(self, x, lengths):
        mask = length_mask(lengths, x.shape[1])
        y = self.encoder.prenet(self.embedding(x), self.training)
        return self.encoder.cbhg(y, lengths, mask) * mask[..., None]

    def refine(self, mel, lengths):
        """The post-net over normalised mels (B, T, 80) of `lengths` frames each."""
        return self.last_linear(self.postnet(mel, lengths, length_mask(lengths, mel.shape[1])))

    def forward(self, x, lengths, durations, mel, forced, **fed):
        """Teacher-forced normalised mels, but an attention of its own; see Tacotron2.forward.

        mel (B, T, 80) with the end marker (zeros) behind each item's last frame. Returns the mels of decoder
        and post-net, log attention, the teacher's alignment, and the encoder's and the decoder's states.
        """
        b, t, m = mel.shape
        steps = t // self.r
        memory = self.encode(x, lengths)
        target = teacher_alignment(durations, lengths, steps, self.r)
        d = self.decoder
        prenet = d.prenet(fed_back(mel, self.r, **fed), self.dropout)
        loop, energies, contexts, hidden = AttentionLoop(d, memory, lengths), [], [], []
        for k in range(steps):
            e = loop.energies(prenet[:, k])
            loop.look(torch.where(forced[:, None], target[:, k], e.softmax(1)))
            energies.append(e)
            contexts.append(loop.context)
            hidden.append(loop.h)
        z = d.project_to_decoder_in(torch.cat([torch.stack(hidden, 1), torch.stack(contexts, 1)], 2))
        for cell in d.decoder_rnns:
            z = z + run_cell(cell, z)
        pre = d.proj_to_mel(z).reshape(b, t, m)
        log_attention = torch.stack(energies, 1).log_softmax(2)
        frames = -(-durations.sum(1) // self.r) * self.r + self.r  # with the step that ends the sentence
        return dict(pre=pre, post=self.refine(pre, frames.clamp_max(t)), log_attention=log_attention, target=target,
                    memory=memory, state=z)

    @torch.no_grad()
    def decode(self, sentences, max_steps=1000, with_window=False):
        """Free running over a list of id lists: normalised mels of decoder and post-net, attention, last steps."""
        device = self.embedding.weight.device
        lengths = torch.tensor([len(s) for s in sentences], device=device)
        x = torch.zeros(len(sentences), int(lengths.max()), dtype=torch.long, device=device)
        for row, s in zip(x, sentences):
            row[:len(s)] = torch.as_tensor(s, device=device)
        b, d = len(x), self.decoder
        memory = self.encode(x, lengths)
        loop = AttentionLoop(d, memory, lengths)
        y = torch.zeros(b, self.r * self.n_mels, device=device)
        states = [torch.zeros(b, d.memory_layer.out_features, device=device) for _ in d.decoder_rnns]
        position, end = torch.zeros(b, dtype=torch.long, device=device), torch.zeros(b, dtype=torch.long, device=device)
        frames, attention = [], []
        for step in range(1, max_steps + 1):
            e = loop.energies(d.prenet(y, self.dropout))
            loop.look((window(e, position) if with_window else e).softmax(1))
            position = loop.weights.argmax(1)
            z = d.project_to_decoder_in(torch.cat([loop.h, loop.context], 1))
            for i, cell in enumerate(d.decoder_rnns):
                states[i] = cell(z, states[i])
                z = z + states[i]
            y = d.proj_to_mel(z)
            frames.append(y)
            attention.append(loop.weights)
            stop = (y <= SILENCE).all(1) & (step >= 2)
            end = torch.where((end == 0) & stop, torch.full_like(end, step), end)
            if step % 20 == 0 and bool((end > 0).all()):
                break
        stopped, end = end > 0, torch.where(end > 0, end, torch.full_like(end, len(frames)))
        pre = torch.stack(frames, 1).reshape(b, -1, self.n_mels)
        return dict(memory=memory, pre=pre, post=self.refine(pre, end * self.r), attention=torch.stack(attention, 1), end=end,
                    stopped=stopped, lengths=lengths)

    def infer(self, sentences, **options):
        """-> for each sentence its ln mel (T, 80), its alignment (steps, N) and whether it stopped.

        The step that ends the sentence is not heard, so it is left out.
        """
        o = self.decode(sentences, **options)
        heard = torch.where(o["stopped"], o["end"] - 1, o["end"]).tolist()
        return [(denormalize(o["post"][i, :n * self.r]), o["attention"][i, :n, :o["lengths"][i]], bool(o["stopped"][i]))
                for i, n in enumerate(heard)]
