"""Minimal Whisper-tiny (greedy, batched, no KV cache) in torch, weights taken from a CTranslate2 model.bin, for scoring on the GPU."""
import struct, json, numpy as np, torch, torch.nn.functional as F, math, re
def read_ct2(path):
    b = open(path, 'rb').read(); o = 0
    def u(f):
        nonlocal o
        r = struct.unpack_from('<' + f, b, o); o += struct.calcsize('<' + f); return r[0]
    def s():
        nonlocal o
        n = u('H'); r = b[o:o + n].rstrip(b'\0').decode(); o += n; return r
    ver = u('I'); name = s(); rev = u('I'); n = u('I'); out = {}
    DT = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
    for _ in range(n):
        k = s(); rank = u('B'); dims = [u('I') for _ in range(rank)]; dt = u('B'); nb = u('I')
        out[k] = np.frombuffer(b, DT[dt], nb // np.dtype(DT[dt]).itemsize, o).reshape(dims); o += nb
    na = u('I')
    for _ in range(na):
        a = s(); v = s(); out[a] = out[v]
    return out
def pack(path, out):
    """int8 per-row packing of every matrix"""
    d = read_ct2(path); r = {}; d.pop('decoder/projection/weight', None)
    seen = {}
    for k, v in d.items():
        if v.dtype in (np.float32, np.float16) and v.ndim >= 2 and v.size > 4096 and 'position' not in k:
            w = v.astype(np.float32).reshape(v.shape[0], -1); s = np.abs(w).max(1, keepdims=True) / 127 + 1e-12
            r[k + '|q'] = np.round(w / s).astype(np.int8).reshape(v.shape); r[k + '|s'] = s[:, 0].astype(np.float32)
        else: r[k] = v.astype(np.float16) if v.dtype == np.float32 else v
    np.savez_compressed(out, **r)
def unpack(path):
    z = np.load(path); r = {}
    for k in z.files:
        if k.endswith('|q'):
            q = z[k].astype(np.float32); s = z[k[:-2] + '|s']; r[k[:-2]] = q * s.reshape([-1] + [1] * (q.ndim - 1))
        elif not k.endswith('|s'): r[k] = z[k]
    return r
class Whisper:
    def __init__(s, weights, vocab_json, device='cuda', dtype=torch.float32):
        s.dev = device
        s.w = {k: torch.tensor(np.asarray(v)).to(device).to(dtype) if np.asarray(v).dtype != np.int8 and np.asarray(v).ndim else v for k, v in weights.items()}
        s.nl = 1 + max(int(m[1]) for m in (re.match(r'encoder/layer_(\d+)', k) for k in s.w) if m)
        s.h = 6
        s.vocab = vocab_json                     # list id -> bytes-level token string
        ids = {t: i for i, t in enumerate(s.vocab)}
        s.sot, s.eot, s.nots = ids['<|startoftranscript|>'], ids['<|endoftext|>'], ids['<|notimestamps|>']
        s.prompt = [s.sot] + ([ids['<|en|>'], ids['<|transcribe|>']] if len(s.vocab) > 51864 else []) + [s.nots]
        bs = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256)); cs = bs[:]; n = 0
        for b in range(256):
            if b not in bs: bs.append(b); cs.append(256 + n); n += 1
        s.u2b = {chr(c): b for b, c in zip(bs, cs)}
        from .melspec import hz_to_mel as hz2mel, mel_to_hz as mel2hz
        ff = np.linspace(0, 8000, 201); mf = mel2hz(np.linspace(hz2mel(0), hz2mel(8000), 82)); d = np.diff(mf); r = mf[:, None] - ff[None]
        s.mb = torch.tensor((np.maximum(0, np.minimum(-r[:-2] / d[:-1, None], r[2:] / d[1:, None])) * (2 / (mf[2:] - mf[:-2]))[:, None]).astype(np.float32)).to(device)
    def lin(s, x, p): return F.linear(x, s.w[p + '/weight'], s.w.get(p + '/bias'))
    def ln(s, x, p): return F.layer_norm(x, (x.shape[-1],), s.w[p + '/gamma'], s.w[p + '/beta'])
    def att(s, q, k, v, causal=False):
        sp = lambda t: t.view(t.shape[0], t.shape[1], s.h, -1).transpose(1, 2)
        return F.scaled_dot_product_attention(sp(q), sp(k), sp(v), is_causal=causal).transpose(1, 2).reshape(q.shape)
    def encode(s, mel):
        x = F.gelu(F.conv1d(mel, s.w['encoder/conv1/weight'], s.w['encoder/conv1/bias'], padding=1))
        x = F.gelu(F.conv1d(x, s.w['encoder/conv2/weight'], s.w['encoder/conv2/bias'], stride=2, padding=1)).transpose(1, 2)
        x = x + s.w['encoder/position_encodings/encodings'][:x.shape[1]]
        for i in range(s.nl):
            p = f'encoder/layer_{i}/'
            h = s.ln(x, p + 'self_attention/layer_norm'); q, k, v = s.lin(h, p + 'self_attention/linear_0').chunk(3, -1)
            x = x + s.lin(s.att(q, k, v), p + 'self_attention/linear_1')
            h = s.ln(x, p + 'ffn/layer_norm'); x = x + s.lin(F.gelu(s.lin(h, p + 'ffn/linear_0')), p + 'ffn/linear_1')
        return s.ln(x, 'encoder/layer_norm')
    def decode(s, tok, kv):
        x = s.w['decoder/embeddings/weight'][tok] + s.w['decoder/position_encodings/encodings'][:tok.shape[1]]
        for i in range(s.nl):
            p = f'decoder/layer_{i}/'
            h = s.ln(x, p + 'self_attention/layer_norm'); q, k, v = s.lin(h, p + 'self_attention/linear_0').chunk(3, -1)
            x = x + s.lin(s.att(q, k, v, True), p + 'self_attention/linear_1')
            h = s.ln(x, p + 'attention/layer_norm'); q = s.lin(h, p + 'attention/linear_0')
            x = x + s.lin(s.att(q, *kv[i]), p + 'attention/linear_2')
            h = s.ln(x, p + 'ffn/layer_norm'); x = x + s.lin(F.gelu(s.lin(h, p + 'ffn/linear_0')), p + 'ffn/linear_1')
        x = s.ln(x[:, -1], 'decoder/layer_norm')
        return x @ s.w['decoder/projection/weight'].T if 'decoder/projection/weight' in s.w else x @ s.w['decoder/embeddings/weight'].T
    @torch.no_grad()
    def __call__(s, wavs16, maxlen=100):
        """list of 1-D float arrays at 16 kHz -> texts"""
        B = len(wavs16); y = torch.zeros(B, 480000, device=s.dev)
        for i, w in enumerate(wavs16): w = torch.as_tensor(w, device=s.dev).float()[:480000]; y[i, :len(w)] = w
        st = torch.stft(y, 400, 160, 400, torch.hann_window(400, device=s.dev), center=True, return_complex=True)[..., :-1]
        m = torch.log10((s.mb @ st.abs().pow(2)).clamp_min(1e-10))
        m = torch.maximum(m, m.amax((1, 2), keepdim=True) - 8); m = (m + 4) / 4
        e = s.encode(m.to(s.w['encoder/conv1/weight'].dtype))
        kv = [s.lin(e, f'decoder/layer_{i}/attention/linear_1').chunk(2, -1) for i in range(s.nl)]
        tok = torch.tensor([s.prompt] * B, device=s.dev); done = torch.zeros(B, dtype=torch.bool, device=s.dev)
        for t in range(maxlen):
            lg = s.decode(tok, kv); lg[:, s.eot + 1:] = -1e9
            if t == 0: lg[:, s.eot] = -1e9
            n = lg.argmax(-1); n = torch.where(done, torch.full_like(n, s.eot), n); done |= n == s.eot
            tok = torch.cat([tok, n[:, None]], 1)
            if bool(done.all()): break
        out = []
        for r in tok[:, len(s.prompt):].tolist():
            t = ''.join(s.vocab[i] for i in r if i < s.eot)
            out.append(bytes(s.u2b[c] for c in t if c in s.u2b).decode('utf8', 'replace').strip())
        return out
