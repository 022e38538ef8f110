"""SmolLM2 from its GGUF file, dequantised: a forward pass over whole rows, and decode steps for many rows at once."""

import numpy as np
import torch
import torch.nn.functional as F
from gguf import GGUFReader, dequantize

from eagle import rope, rope_tables


class Llama:
    """Bias-free Llama with tied embeddings. Linear weights are [out, in]; RoPE pairs value i with i + head_dim / 2."""

    def __init__(self, path, device="cpu", dtype=torch.float32):
        reader = GGUFReader(path)
        meta = lambda key: reader.fields[f"llama.{key}"].contents()
        self.n_layers, self.heads, self.kv = meta("block_count"), meta("attention.head_count"), meta("attention.head_count_kv")
        self.theta, self.eps = meta("rope.freq_base"), meta("attention.layer_norm_rms_epsilon")
        w = {t.name: torch.from_numpy(dequantize(t.data, t.tensor_type).astype(np.float32)) for t in reader.tensors}
        self.embed = w["token_embd.weight"].to(device, dtype)
        self.norm = w["output_norm.weight"].to(device, dtype)
        self.hidden = self.embed.shape[1]
        self.hd = self.hidden // self.heads
        self.device, self.dtype = device, dtype
        # GGUF keeps query and key rows in pairs (2j, 2j + 1); here they are halves
        halves = lambda x, n: x.reshape(n, self.hd // 2, 2, -1).transpose(1, 2).reshape(x.shape)
        self.layers = []
        for i in range(self.n_layers):
            of = lambda name: w[f"blk.{i}.{name}.weight"]
            qkv = torch.cat([halves(of("attn_q"), self.heads), halves(of("attn_k"), self.kv), of("attn_v")])
            layer = {"n1": of("attn_norm"), "qkv": qkv, "o": of("attn_output"), "n2": of("ffn_norm"),
                     "up": torch.cat([of("ffn_gate"), of("ffn_up")]), "down": of("ffn_down")}
            self.layers.append({k: v.to(device, dtype).contiguous() for k, v in layer.items()})

    def split(self, row):
        """[..., (heads + 2 kv) hd] to q [..., heads, hd], k and v [..., kv, hd]."""
        row = row.unflatten(-1, (-1, self.hd))
        return row.split([self.heads, self.kv, self.kv], -2)

    def mlp(self, x, layer):
        gate, up = F.linear(F.rms_norm(x, (self.hidden,), layer["n2"], self.eps), layer["up"]).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, layer["down"])

    @torch.no_grad()
    def forward(self, ids, documents, taps):
        """Rows of packed documents, ids and documents [batch, rows]. Returns the residual stream that enters each layer of
        `taps`, side by side, and the normed last one, [batch, rows, hidden]."""
        length = ids.shape[1]
        cos, sin = rope_tables(torch.arange(length, device=self.device), self.hd, self.theta)
        same = (documents[:, :, None] == documents[:, None, :]).tril()[:, None]
        mask = torch.zeros(same.shape, device=self.device, dtype=self.dtype).masked_fill_(~same, float("-inf"))
        x, found = F.embedding(ids, self.embed), []
        for i, layer in enumerate(self.layers):
            if i in taps:
                found.append(x)
            q, k, v = (p.transpose(1, 2) for p in self.split(F.linear(F.rms_norm(x, (self.hidden,), layer["n1"], self.eps), layer["qkv"])))
            q, k = rope(q, cos, sin), rope(k, cos, sin)
            share = self.heads // self.kv
            mixed = F.scaled_dot_product_attention(q, k.repeat_interleave(share, 1), v.repeat_interleave(share, 1), attn_mask=mask)
            x = x + F.linear(mixed.transpose(1, 2).flatten(-2), layer["o"])
            x = self.mlp(x, layer)
        return torch.cat(found, -1) if found else None, F.rms_norm(x, (self.hidden,), self.norm, self.eps)

    def caches(self, rows, length):
        shape = (rows, self.kv, length, self.hd)
        return [(torch.zeros(shape, device=self.device, dtype=self.dtype), torch.zeros(shape, device=self.device, dtype=self.dtype))
                for _ in self.layers]

    @torch.no_grad()
    def decode(self, token, t, start, caches, window, cos, sin):
        """Logits [rows, vocabulary] after one token a row at position t [1]; a row looks from column `start` on."""
        column = torch.arange(window, device=self.device)
        hidden = (column[None] > t) | (column[None] < start[:, None])
        bias = torch.zeros(hidden.shape, device=self.device, dtype=self.dtype).masked_fill_(hidden, float("-inf"))
        share = self.heads // self.kv
        bias = bias[:, None, None, :].expand(-1, self.kv, share, -1)
        cos, sin = cos[t], sin[t]
        x = F.embedding(token, self.embed)
        for layer, (keys, values) in zip(self.layers, caches):
            q, k, v = self.split(F.linear(F.rms_norm(x, (self.hidden,), layer["n1"], self.eps), layer["qkv"]))
            q, k = rope(q, cos, sin), rope(k, cos, sin)
            keys.index_copy_(2, t, k[:, :, None])
            values.index_copy_(2, t, v[:, :, None])
            # query heads that share a key head are rows of one product
            mixed = F.scaled_dot_product_attention(q.unflatten(1, (self.kv, share)), keys[:, :, :window], values[:, :, :window], attn_mask=bias)
            x = x + F.linear(mixed.flatten(1), layer["o"])
            x = self.mlp(x, layer)
        return F.linear(F.rms_norm(x, (self.hidden,), self.norm, self.eps), self.embed)
