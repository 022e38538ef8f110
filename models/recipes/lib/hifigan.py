"""HiFi-GAN generator in jik876's layout (ResBlock2, "V3") and the discriminators used to train it.

During training the generator holds plain weights; `public_state` writes them with jik876's
weight-norm names (weight_g, weight_v, bias) and `load_public` folds them back.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

UPSAMPLES = ((8, 16), (8, 16), (4, 8))  # (rate, kernel)
RESBLOCKS = ((3, (1, 2)), (5, (2, 6)), (7, (3, 12)))  # (kernel, dilations)


class ResBlock2(nn.Module):
    def __init__(self, channels, kernel, dilations):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(channels, channels, kernel, dilation=d, padding=d * (kernel - 1) // 2)
                                   for d in dilations)

    def forward(self, x):
        for conv in self.convs:
            x = x + conv(F.leaky_relu(x, 0.1))
        return x


class Generator(nn.Module):
    def __init__(self, channels=256, n_mels=80):
        super().__init__()
        self.conv_pre = nn.Conv1d(n_mels, channels, 7, padding=3)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for i, (rate, kernel) in enumerate(UPSAMPLES):
            self.ups.append(nn.ConvTranspose1d(channels >> i, channels >> (i + 1), kernel, rate, (kernel - rate) // 2))
            self.resblocks.extend(ResBlock2(channels >> (i + 1), k, d) for k, d in RESBLOCKS)
        self.conv_post = nn.Conv1d(channels >> len(UPSAMPLES), 1, 7, padding=3)

    def forward(self, mel):
        """ln mel (B, 80, T) -> wave (B, 256 T)"""
        x = self.conv_pre(mel)
        n = len(RESBLOCKS)
        for i, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, 0.1))
            x = sum(block(x) for block in self.resblocks[i * n:(i + 1) * n]) / n
        return torch.tanh(self.conv_post(F.leaky_relu(x, 0.01)))[:, 0]

    @torch.no_grad()
    def start_from(self, tensors, prefix=""):
        """Copy weights from a generator of the same layout (the teacher's decoder, say) where they exist.

        A generator wider than the source keeps the source's function: the added channels get small
        random inputs and no output to the old channels.
        """
        for name, param in self.named_parameters():
            value = tensors.get(prefix + name)
            if value is None:
                if name == "conv_post.bias":
                    param.zero_()
            elif param.shape == value.shape:
                param.copy_(value)
            elif param.dim() == 1:
                param.zero_()
                param[:len(value)] = value
            else:
                a, b = value.shape[:2]
                if name.startswith("ups."):  # (in, out, k)
                    param.mul_(0.5)
                    param[a:, :b] = 0
                elif name.startswith("conv_post"):
                    param.zero_()
                else:  # (out, in, k)
                    param.mul_(0.5)
                    param[:a, b:] = 0
                param[:a, :b] = value


def public_state(state):
    """Plain weights -> jik876's names."""
    out = {}
    for key, value in state.items():
        if key.endswith(".weight"):
            base = key[:-len("weight")]
            out[base + "weight_g"] = value.flatten(1).norm(dim=1).view(-1, 1, 1)
            out[base + "weight_v"] = value
        else:
            out[key] = value
    return out


def plain_state(state):
    """jik876's names (any float type) -> plain weights."""
    plain = {}
    for key, value in state.items():
        if key.endswith("weight_v"):
            v, g = value.float(), state[key[:-1] + "g"].float()
            plain[key[:-2]] = g * v / v.flatten(1).norm(dim=1).view(-1, 1, 1)
        elif not key.endswith("weight_g"):
            plain[key] = value.float()
    return plain


def load_public(state, n_mels=80):
    """Generator from a dictionary with jik876's names (any float type)."""
    plain = plain_state(state)
    g = Generator(plain["conv_pre.weight"].shape[0], n_mels)
    g.load_state_dict(plain)
    return g.eval()


weight_norm = nn.utils.parametrizations.weight_norm


class PeriodDiscriminator(nn.Module):
    def __init__(self, period, channels=(32, 128, 256, 512, 512)):
        super().__init__()
        self.period = period
        sizes = (1,) + channels
        self.convs = nn.ModuleList(weight_norm(nn.Conv2d(a, b, (5, 1), (3 if i < 4 else 1, 1), (2, 0)))
                                   for i, (a, b) in enumerate(zip(sizes, channels)))
        self.out = weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), 1, (1, 0)))

    def forward(self, x):
        rest = (-x.shape[1]) % self.period
        if rest:
            x = F.pad(x[:, None], (0, rest), "reflect")[:, 0]
        x = x.view(len(x), 1, -1, self.period).to(memory_format=torch.channels_last)
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            features.append(x)
        x = self.out(x)
        return x.flatten(1), features + [x]


class SpectrogramDiscriminator(nn.Module):
    """Discriminator on a magnitude spectrogram (UnivNet)."""

    def __init__(self, n_fft, hop, window, channels=32):
        super().__init__()
        self.n_fft, self.hop, self.window = n_fft, hop, window
        self.register_buffer("hann", torch.hann_window(window), persistent=False)
        conv = lambda a, stride=1, width=9: weight_norm(
            nn.Conv2d(a, channels, (3, width), (1, stride), (1, width // 2)))
        self.convs = nn.ModuleList([conv(1)] + [conv(channels, 2) for _ in range(3)] + [conv(channels, 1, 3)])
        self.out = weight_norm(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, x):
        pad = (self.n_fft - self.hop) // 2
        with torch.autocast(x.device.type, enabled=False):
            x = F.pad(x.float()[:, None], (pad, pad), "reflect")[:, 0]
            s = torch.stft(x, self.n_fft, self.hop, self.window, self.hann, center=False, return_complex=True)
            x = torch.sqrt(s.real ** 2 + s.imag ** 2 + 1e-9)
        x = x[:, None].transpose(2, 3).to(memory_format=torch.channels_last)
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            features.append(x)
        x = self.out(x)
        return x.flatten(1), features + [x]


class Discriminators(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([PeriodDiscriminator(p) for p in (2, 3, 5, 7, 11)]
                                   + [SpectrogramDiscriminator(*a) for a in ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))])

    def forward(self, x):
        scores, features = zip(*(part(x) for part in self.parts))
        return list(scores), list(features)
