"""Tacotron 2 with the parameter names of SpeechBrain and NVIDIA, which are the same.

Sizes come from the constructor; with `r` frames a step the prenet reads all r frames and the projection
writes them, as both do. Mels are ln mels without normalisation; the first input is zeros.
In a padded batch every item gets what it gets alone (in eval mode).
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from .recurrent import fed_back, length_mask, run_bidirectional, run_cell, teacher_alignment, window

BATCH_NORM_MOMENTUM = 0.02  # the batches differ much in length, so running statistics need a long memory


class Linear(nn.Module):
    def __init__(self, a, b, bias=False):
        super().__init__()
        self.linear_layer = nn.Linear(a, b, bias=bias)

    def forward(self, x):
        return self.linear_layer(x)


class Conv(nn.Module):
    def __init__(self, a, b, kernel, bias=True):
        super().__init__()
        self.conv = nn.Conv1d(a, b, kernel, padding=kernel // 2, bias=bias)

    def forward(self, x):
        return self.conv(x)


def conv_and_norm(a, b, kernel=5):
    return nn.Sequential(Conv(a, b, kernel), nn.BatchNorm1d(b, momentum=BATCH_NORM_MOMENTUM))


class Encoder(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.convolutions = nn.ModuleList(conv_and_norm(d, d) for _ in range(3))
        self.lstm = nn.LSTM(d, d // 2, batch_first=True, bidirectional=True)

    def forward(self, x, lengths):
        mask = length_mask(lengths, x.shape[1])[:, None]
        x = x.transpose(1, 2)
        for layer in self.convolutions:
            x = F.dropout(F.relu(layer(x * mask)), 0.5, self.training)
        return run_bidirectional(self.lstm, x.transpose(1, 2), lengths) * mask.transpose(1, 2)


class Prenet(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.layers = nn.ModuleList([Linear(a, b), Linear(b, b)])
        self.dropout = True  # at inference too

    def forward(self, y):
        for layer in self.layers:
            y = F.dropout(F.relu(layer(y)), 0.5, self.dropout)
        return y


class Location(nn.Module):
    def __init__(self, d, filters, kernel):
        super().__init__()
        self.location_conv = Conv(2, filters, kernel, bias=False)
        self.location_dense = Linear(filters, d)

    def kernel(self):
        """The convolution and the dense layer behind it as one convolution (d, 2, kernel)."""
        return torch.einsum("df,fck->dck", self.location_dense.linear_layer.weight, self.location_conv.conv.weight)


class Attention(nn.Module):
    def __init__(self, query, memory, d, filters, kernel):
        super().__init__()
        self.query_layer, self.memory_layer, self.v = Linear(query, d), Linear(memory, d), Linear(d, 1)
        self.location_layer = Location(d, filters, kernel)


class Decoder(nn.Module):
    def __init__(self, r, n_mels, memory, prenet, attention_rnn, decoder_rnn, attention, filters, kernel):
        super().__init__()
        self.r, self.n_mels = r, n_mels
        self.memory_size, self.state_size = memory, decoder_rnn + memory
        self.prenet = Prenet(n_mels * r, prenet)
        self.attention_rnn = nn.LSTMCell(prenet + memory, attention_rnn)
        self.attention_layer = Attention(attention_rnn, memory, attention, filters, kernel)
        self.decoder_rnn = nn.LSTMCell(attention_rnn + memory, decoder_rnn)
        self.linear_projection = Linear(decoder_rnn + memory, n_mels * r, bias=True)
        self.gate_layer = Linear(decoder_rnn + memory, 1, bias=True)


class Postnet(nn.Module):
    def __init__(self, n_mels, d):
        super().__init__()
        sizes = [n_mels] + [d] * 4 + [n_mels]
        self.convolutions = nn.ModuleList(conv_and_norm(a, b) for a, b in zip(sizes, sizes[1:]))

    def forward(self, mel, mask):
        x = mel.transpose(1, 2)
        for i, layer in enumerate(self.convolutions):
            x = layer(x * mask[:, None])
            x = F.dropout(torch.tanh(x) if i < 4 else x, 0.2, self.training)
        return x.transpose(1, 2)


class AttentionLoop:
    """The part of the decoder that must go step by step: attention RNN, energies, context."""

    def __init__(self, decoder, memory, lengths):
        self.d, self.memory = decoder, memory
        layer = decoder.attention_layer
        self.keys = layer.memory_layer(memory).transpose(1, 2)  # (B, A, N)
        self.kernel, self.v = layer.location_layer.kernel(), layer.v.linear_layer.weight
        self.pad = length_mask(lengths, memory.shape[1]) == 0
        b, n, c = memory.shape
        zeros = lambda *shape: torch.zeros(*shape, device=memory.device)
        self.h = self.c = zeros(b, decoder.attention_rnn.hidden_size)
        self.context, self.weights, self.total = zeros(b, c), zeros(b, n), zeros(b, n)

    def energies(self, prenet):
        self.h, self.c = self.d.attention_rnn(torch.cat([prenet, self.context], 1), (self.h, self.c))
        looked = F.conv1d(torch.stack([self.weights, self.total], 1), self.kernel, padding=self.kernel.shape[2] // 2)
        query = self.d.attention_layer.query_layer(self.h)[:, :, None]
        return torch.matmul(self.v, torch.tanh(query + looked + self.keys))[:, 0].masked_fill(self.pad, -1e4)

    def look(self, weights):
        self.weights, self.total = weights, self.total + weights
        self.context = torch.bmm(weights[:, None], self.memory)[:, 0]


class Tacotron2(nn.Module):
    def __init__(self, n_symbols=79, d=256, r=2, n_mels=80, prenet=128, attention_rnn=512, decoder_rnn=448, attention=128,
                 filters=32, kernel=31, postnet=208):
        super().__init__()
        self.r, self.n_mels = r, n_mels
        self.embedding = nn.Embedding(n_symbols, d)
        self.encoder = Encoder(d)
        self.decoder = Decoder(r, n_mels, d, prenet, attention_rnn, decoder_rnn, attention, filters, kernel)
        self.postnet = Postnet(n_mels, postnet)

    @classmethod
    def from_state(cls, state, n_mels=80):
        """The module whose sizes the tensors' shapes tell."""
        size = lambda key, dim=0: state[key].shape[dim]
        m = cls(*state["embedding.weight"].shape, size("decoder.linear_projection.linear_layer.weight") // n_mels, n_mels,
                size("decoder.prenet.layers.0.linear_layer.weight"), size("decoder.attention_rnn.weight_hh", 1),
                size("decoder.decoder_rnn.weight_hh", 1), size("decoder.attention_layer.query_layer.linear_layer.weight"),
                *(size("decoder.attention_layer.location_layer.location_conv.conv.weight", i) for i in (0, 2)),
                size("postnet.convolutions.0.0.conv.weight"))
        m.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()}, strict=False)
        return m.eval()

    def start_at(self, mean, std):
        """Starting weights for ln mels of this mean (per bin) and deviation."""
        with torch.no_grad():
            nn.init.normal_(self.embedding.weight, 0, 0.3)
            self.decoder.prenet.layers[0].linear_layer.weight.mul_(1 / std)
            last = self.decoder.linear_projection.linear_layer
            last.weight.mul_(std)
            last.bias.copy_(mean.repeat(self.r))
            self.decoder.gate_layer.linear_layer.bias.fill_(-3.0)
            self.postnet.convolutions[4][1].weight.fill_(0.1)

    def forward(self, x, lengths, durations, mel, forced, **fed):
        """Teacher-forced mels, but an attention of its own.

        mel (B, T, 80) with T a multiple of r; forced (B,) of bool: these items look where the teacher looks;
        fed: see fed_back. Returns mels before and after the post-net, gate logits, log attention and the teacher's
        alignment (B, T / r, N), and the encoder's and the decoder's states.
        """
        b, t, m = mel.shape
        steps = t // self.r
        memory = self.encoder(self.embedding(x), lengths)
        target = teacher_alignment(durations, lengths, steps, self.r)
        prenet = self.decoder.prenet(fed_back(mel, self.r, **fed))
        loop, energies, contexts, hidden = AttentionLoop(self.decoder, memory, lengths), [], [], []
        for k in range(steps):
            e = loop.energies(prenet[:, k])
            loop.look(torch.where(forced[:, None], target[:, k], e.softmax(1)))
            energies.append(e)
            contexts.append(loop.context)
            hidden.append(loop.h)
        contexts, hidden = torch.stack(contexts, 1), F.dropout(torch.stack(hidden, 1), 0.1, self.training)
        out = F.dropout(run_cell(self.decoder.decoder_rnn, torch.cat([hidden, contexts], 2)), 0.1, self.training)
        out = torch.cat([out, contexts], 2)
        pre = self.decoder.linear_projection(out).reshape(b, t, m)
        gate = self.decoder.gate_layer(out)[..., 0]
        log_attention = torch.stack(energies, 1).log_softmax(2)
        inside = length_mask(-(-durations.sum(1) // self.r) * self.r, t)
        post = pre + self.postnet(pre, inside)
        return dict(pre=pre, post=post, gate=gate, log_attention=log_attention, target=target, memory=memory, state=out)

    @torch.no_grad()
    def decode(self, sentences, max_steps=1000, gate_threshold=0.5, with_window=False):
        """Free running over a list of id lists: mels before and after the post-net, gates, attention, last steps."""
        device = self.embedding.weight.device
        lengths = torch.tensor([len(s) for s in sentences], device=device)
        x = torch.zeros(len(sentences), int(lengths.max()), dtype=torch.long, device=device)
        for row, s in zip(x, sentences):
            row[:len(s)] = torch.as_tensor(s, device=device)
        b, d = len(x), self.decoder
        memory = self.encoder(self.embedding(x), lengths)
        loop = AttentionLoop(d, memory, lengths)
        y = torch.zeros(b, self.r * self.n_mels, device=device)
        h = c = torch.zeros(b, d.decoder_rnn.hidden_size, device=device)
        position, end = torch.zeros(b, dtype=torch.long, device=device), torch.zeros(b, dtype=torch.long, device=device)
        frames, gates, attention = [], [], []
        for step in range(1, max_steps + 1):
            e = loop.energies(d.prenet(y))
            loop.look((window(e, position) if with_window else e).softmax(1))
            position = loop.weights.argmax(1)
            h, c = d.decoder_rnn(torch.cat([loop.h, loop.context], 1), (h, c))
            out = torch.cat([h, loop.context], 1)
            y, gate = d.linear_projection(out), d.gate_layer(out)[:, 0]
            for store, value in ((frames, y), (gates, gate), (attention, loop.weights)):
                store.append(value)
            end = torch.where((end == 0) & (torch.sigmoid(gate) > gate_threshold), torch.full_like(end, step), end)
            if step % 20 == 0 and bool((end > 0).all()):
                break
        stopped, end = end > 0, torch.where(end > 0, end, torch.full_like(end, len(frames)))
        pre = torch.stack(frames, 1).reshape(b, -1, self.n_mels)
        post = pre + self.postnet(pre, length_mask(end * self.r, pre.shape[1]))
        return dict(memory=memory, pre=pre, post=post, gates=torch.stack(gates, 1), attention=torch.stack(attention, 1), end=end,
                    stopped=stopped, lengths=lengths)

    def infer(self, sentences, **options):
        """-> for each sentence its ln mel (T, 80), its alignment (steps, N) and whether it stopped."""
        o = self.decode(sentences, **options)
        return [(o["post"][i, :end * self.r], o["attention"][i, :end, :o["lengths"][i]], bool(o["stopped"][i]))
                for i, end in enumerate(o["end"].tolist())]
