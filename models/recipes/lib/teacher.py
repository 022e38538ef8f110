"""Piper 'medium' VITS, inference only, in plain torch.  Weights come from the ONNX initializers.
Matches onnxruntime to float rounding when noise scales are 0 (largest difference 2e-5)."""
import math, torch, torch.nn as nn, torch.nn.functional as F

def seqmask(l, T):
    return (torch.arange(T, device=l.device)[None] < l[:, None])

class W:
    """dict of tensors with prefix access"""
    def __init__(s, d): s.d = d
    def __call__(s, k): return s.d[k]

def layer_norm(x, g, b):           # over channel dim 1
    return F.layer_norm(x.transpose(1, 2), (x.shape[1],), g, b, 1e-5).transpose(1, 2)

class Vits(nn.Module):
    H, NH, NL, WIN = 192, 2, 6, 4
    def __init__(s, tensors):
        super().__init__()
        s.names = list(tensors)
        for i, (k, v) in enumerate(tensors.items()):
            s.register_buffer(f't{i}', v.float().contiguous())
        s.idx = {k: f't{i}' for i, k in enumerate(s.names)}
    def w(s, k): return getattr(s, s.idx[k])

    # ---- text encoder
    def rel(s, e, T):
        # emb (1,9,d) -> (1, 2T-1, d)
        pad = max(T - (s.WIN + 1), 0)
        st = max((s.WIN + 1) - T, 0)
        if pad: e = F.pad(e, (0, 0, pad, pad))
        return e[:, st:st + 2 * T - 1]
    @staticmethod
    def rel2abs(x):
        B, h, T, _ = x.shape
        x = F.pad(x, (0, 1)); x = x.reshape(B, h, T * 2 * T); x = F.pad(x, (0, T - 1))
        return x.reshape(B, h, T + 1, 2 * T - 1)[:, :, :T, T - 1:]
    @staticmethod
    def abs2rel(x):
        B, h, T, _ = x.shape
        x = F.pad(x, (0, T - 1)); x = x.reshape(B, h, T * T + T * (T - 1)); x = F.pad(x, (T, 0))
        return x.reshape(B, h, T, 2 * T)[:, :, :, 1:]
    def attn(s, x, m, p):
        B, C, T = x.shape; d = C // s.NH
        q, k, v = [F.conv1d(x, s.w(f'{p}.conv_{c}.weight'), s.w(f'{p}.conv_{c}.bias')).view(B, s.NH, d, T).transpose(2, 3) for c in 'qkv']
        sc = (q / math.sqrt(d)) @ k.transpose(-1, -2)
        rk = s.rel(s.w(f'{p}.emb_rel_k'), T); rv = s.rel(s.w(f'{p}.emb_rel_v'), T)
        sc = sc + s.rel2abs((q / math.sqrt(d)) @ rk.unsqueeze(0).transpose(-1, -2))
        am = (m.unsqueeze(2) * m.unsqueeze(-1))
        sc = sc.masked_fill(am == 0, -1e4)
        a = sc.softmax(-1)
        o = a @ v + s.abs2rel(a) @ rv.unsqueeze(0)
        o = o.transpose(2, 3).reshape(B, C, T)
        return F.conv1d(o, s.w(f'{p}.conv_o.weight'), s.w(f'{p}.conv_o.bias'))
    def enc(s, ids, m):
        x = F.embedding(ids, s.w('emb')) * math.sqrt(s.H)
        x = x.transpose(1, 2) * m
        e = 'enc_p.encoder'
        for i in range(s.NL):
            x = layer_norm(x + s.attn(x, m, f'{e}.attn_layers.{i}'), s.w(f'{e}.norm_layers_1.{i}.gamma'), s.w(f'{e}.norm_layers_1.{i}.beta'))
            y = F.conv1d(x * m, s.w(f'{e}.ffn_layers.{i}.conv_1.weight'), s.w(f'{e}.ffn_layers.{i}.conv_1.bias'), padding=1).relu()
            y = F.conv1d(y * m, s.w(f'{e}.ffn_layers.{i}.conv_2.weight'), s.w(f'{e}.ffn_layers.{i}.conv_2.bias'), padding=1) * m
            x = layer_norm(x + y, s.w(f'{e}.norm_layers_2.{i}.gamma'), s.w(f'{e}.norm_layers_2.{i}.beta'))
        x = x * m
        st = F.conv1d(x, s.w('enc_p.proj.weight'), s.w('enc_p.proj.bias')) * m
        return x, st[:, :192], st[:, 192:]
    # ---- stochastic duration predictor (reverse)
    def dds(s, x, m, p, g=None):
        if g is not None: x = x + g
        for i in range(3):
            dl = 3 ** i
            y = F.conv1d(x * m, s.w(f'{p}.convs_sep.{i}.weight'), s.w(f'{p}.convs_sep.{i}.bias'), padding=dl, dilation=dl, groups=x.shape[1])
            y = F.gelu(layer_norm(y, s.w(f'{p}.norms_1.{i}.gamma'), s.w(f'{p}.norms_1.{i}.beta')))
            y = F.conv1d(y, s.w(f'{p}.convs_1x1.{i}.weight'), s.w(f'{p}.convs_1x1.{i}.bias'))
            y = F.gelu(layer_norm(y, s.w(f'{p}.norms_2.{i}.gamma'), s.w(f'{p}.norms_2.{i}.beta')))
            x = x + y
        return x * m
    @staticmethod
    def rqs_inv(y, uw, uh, ud, tail=5.0, mb=1e-3, md=1e-3):
        inside = (y >= -tail) & (y <= tail)
        yc = y.clamp(-tail, tail)
        nb = uw.shape[-1]
        c = math.log(math.exp(1 - md) - 1)
        ud = F.pad(ud, (1, 1), value=c)
        def knots(u):
            w = u.softmax(-1); w = mb + (1 - mb * nb) * w
            cw = F.pad(w.cumsum(-1), (1, 0)); cw = 2 * tail * cw - tail
            cw = torch.cat([torch.full_like(cw[..., :1], -tail), cw[..., 1:-1], torch.full_like(cw[..., :1], tail)], -1)
            return cw, cw[..., 1:] - cw[..., :-1]
        cw, w = knots(uw); ch, h = knots(uh); d = md + F.softplus(ud)
        loc = ch.clone(); loc[..., -1] += 1e-6
        b = ((yc[..., None] >= loc).sum(-1) - 1).clamp(0, nb - 1)[..., None]
        g = lambda t: t.gather(-1, b)[..., 0]
        icw, iw, ich, ih = g(cw), g(w), g(ch), g(h)
        delta = h / w; idl = g(delta); d0 = g(d); d1 = g(d[..., 1:])
        t = (yc - ich) * (d0 + d1 - 2 * idl)
        a = t + ih * (idl - d0); bb = ih * d0 - t; cc = -idl * (yc - ich)
        disc = (bb * bb - 4 * a * cc).clamp_min(0)
        r = (2 * cc) / (-bb - disc.sqrt())
        return torch.where(inside, r * iw + icw, y)
    def dp(s, x, m, noise_w, gen=None):
        x = F.conv1d(x, s.w('dp.pre.weight'), s.w('dp.pre.bias'))
        x = s.dds(x, m, 'dp.convs')
        x = F.conv1d(x, s.w('dp.proj.weight'), s.w('dp.proj.bias')) * m
        z = torch.randn(x.shape[0], 2, x.shape[2], device=x.device, generator=gen) * noise_w
        for f in (7, 5, 3):
            z = z.flip(1)
            p = f'dp.flows.{f}'
            z0, z1 = z[:, :1], z[:, 1:]
            h = F.conv1d(z0, s.w(f'{p}.pre.weight'), s.w(f'{p}.pre.bias'))
            h = s.dds(h, m, f'{p}.convs', g=x)
            h = F.conv1d(h, s.w(f'{p}.proj.weight'), s.w(f'{p}.proj.bias')) * m
            B, _, T = z0.shape
            h = h.view(B, 1, 29, T).transpose(2, 3)
            z1 = s.rqs_inv(z1, h[..., :10] / math.sqrt(s.H), h[..., 10:20] / math.sqrt(s.H), h[..., 20:])
            z = torch.cat([z0, z1], 1) * m
        z = z.flip(1)
        z = (z - s.w('dp.flows.0.m')[None]) * s.w('dp.flows.0.expneg')[None] * m
        return z[:, :1]
    # ---- flow (reverse)
    def wn(s, x, m, p):
        out = torch.zeros_like(x)
        for i in range(4):
            y = F.conv1d(x, s.w(f'{p}.in_layers.{i}.weight'), s.w(f'{p}.in_layers.{i}.bias'), padding=2)
            a = y[:, :192].tanh() * y[:, 192:].sigmoid()
            r = F.conv1d(a, s.w(f'{p}.res_skip_layers.{i}.weight'), s.w(f'{p}.res_skip_layers.{i}.bias'))
            if i < 3:
                x = (x + r[:, :192]) * m; out = out + r[:, 192:]
            else: out = out + r
        return out * m
    def flow(s, z, m):
        for f in (6, 4, 2, 0):
            z = z.flip(1)
            p = f'flow.flows.{f}'
            x0, x1 = z[:, :96], z[:, 96:]
            h = F.conv1d(x0, s.w(f'{p}.pre.weight'), s.w(f'{p}.pre.bias')) * m
            h = s.wn(h, m, f'{p}.enc')
            mean = F.conv1d(h, s.w(f'{p}.post.weight'), s.w(f'{p}.post.bias')) * m
            z = torch.cat([x0, (x1 - mean) * m], 1)
        return z
    # ---- decoder = HiFi-GAN V3 layout
    def dec(s, z):
        x = F.conv1d(z, s.w('dec.conv_pre.weight'), s.w('dec.conv_pre.bias'), padding=3)
        for i, (u, k) in enumerate(((8, 16), (8, 16), (4, 8))):
            x = F.conv_transpose1d(F.leaky_relu(x, 0.1), s.w(f'dec.ups.{i}.weight'), s.w(f'dec.ups.{i}.bias'), stride=u, padding=(k - u) // 2)
            xs = 0
            for j, (rk, dl) in enumerate(((3, (1, 2)), (5, (2, 6)), (7, (3, 12)))):
                y = x
                for c in range(2):
                    q = f'dec.resblocks.{i*3+j}.convs.{c}'
                    y = y + F.conv1d(F.leaky_relu(y, 0.1), s.w(q + '.weight'), s.w(q + '.bias'), padding=dl[c] * (rk - 1) // 2, dilation=dl[c])
                xs = xs + y
            x = xs / 3
        x = F.leaky_relu(x)          # 0.01, as in the original code
        return torch.tanh(F.conv1d(x, s.w('dec.conv_post.weight'), None, padding=3))[:, 0]

    @torch.no_grad()
    def durations(s, ids, lens, noise_w=0.8, length_scale=1.0):
        m = seqmask(lens, ids.shape[1])[:, None].float()
        x, mp, lp = s.enc(ids, m)
        w = torch.exp(s.dp(x, m, noise_w)) * m * length_scale
        return torch.ceil(w)[:, 0].long(), mp, lp
    @torch.no_grad()
    def latent(s, dur, mp, lp, noise=0.667):
        """dur (B,T) long -> z (B,192,F), frame lengths"""
        B, T = dur.shape
        fl = dur.sum(1); Fm = int(fl.max())
        end = dur.cumsum(1)
        t = torch.arange(Fm, device=dur.device)[None].expand(B, -1).contiguous()
        idx = torch.searchsorted(end, t, right=True).clamp_max(T - 1)
        m = seqmask(fl, Fm)[:, None].float()
        g = idx[:, None].expand(-1, 192, -1)
        mz = mp.gather(2, g); lz = lp.gather(2, g)
        zp = (mz + torch.randn_like(mz) * lz.exp() * noise) * m
        return s.flow(zp, m) * m, fl
    @torch.no_grad()
    def forward(s, ids, lens, noise=0.667, noise_w=0.8, length_scale=1.0):
        dur, mp, lp = s.durations(ids, lens, noise_w, length_scale)
        z, fl = s.latent(dur, mp, lp, noise)
        return s.dec(z), dur, fl

def from_onnx(path):
    import onnx, numpy as np
    from onnx import numpy_helper
    g = onnx.load(path).graph
    init = {i.name: numpy_helper.to_array(i) for i in g.initializer}
    t = {}
    for k, v in init.items():
        if k.startswith(('enc_p.', 'dec.', 'flow.', 'dp.')): t[k] = torch.tensor(np.array(v))
    t['emb'] = torch.tensor(np.array(init['sid']))
    for n in g.node:               # weight-norm-folded convs carry anonymous names; the node name tells which
        if n.op_type == 'Conv' and '/enc/' in n.name and n.name.startswith('/flow'):
            # /flow/flows.6/enc/in_layers.0/Conv
            p = n.name.strip('/').split('/')
            key = '.'.join(['flow', p[1], 'enc', p[3]]) + '.weight'
            t[key] = torch.tensor(np.array(init[n.input[1]]))
    # dp.flows.0: logs was folded to Exp output
    e = init['/dp/flows.0/Exp_output_0']
    t['dp.flows.0.expneg'] = torch.tensor(np.array(e))
    return t
