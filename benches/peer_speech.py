"""Other engines for `formant bench speech --peer onnxruntime,pytorch`: does what it is told, says how long it took.

    python peer_speech.py serve ENGINE RECIPES      (the bench starts this itself, once for each engine)

ENGINE is onnxruntime or pytorch; RECIPES the folder with the modules that the voices were trained with
(`models/recipes`). Orders and answers are lines of JSON: the weights, the symbols of a sentence, threads; and how
many frames came out, in how much processor time of this process and of the clock. What an engine has no way to run is
answered with null: ONNX has no loop that fits the decoder of a Tacotron.

The modules are made as an engine likes them best: sentences alone, so without masks of a batch and with reflection
as a padding operation; ONNX graphs are exported once for each length, with constants folded, and run with all of
ONNX Runtime's optimizations. Before a figure counts each graph has run once.
"""

import io
import json
import os
import sys
import time

THREADS = 1


class Watch:
    def __init__(self):
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def lap(self, n_frames):
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return {"n_tokens": int(n_frames), "wall_secs": wall, "cpu_secs": cpu}


def reflecting(conv):
    """A layer of `lib.fastspeech2` for one sentence alone."""

    def forward(x, lengths, mask):
        n = (conv.conv.kernel_size[0] - 1) // 2
        x = x.transpose(1, 2)
        return conv.conv(functional.pad(x, (n, n), mode="reflect") if n else x).transpose(1, 2)

    return forward


def normed(layer):
    """A layer of `lib.matcha` for one sentence alone, whose frames all exist."""

    def forward(x, frames):
        conv, norm, mish = layer.block
        return mish(norm(conv(x * frames.valid))) * frames.valid

    return forward


class Graph:
    """A module as an engine runs it, for one shape of inputs."""

    def __init__(self, engine, module, inputs, threads):
        self.module, self.session = module, None
        if engine == "pytorch":
            return
        names = [f"i{n}" for n in range(len(inputs))]
        file = io.BytesIO()
        torch.onnx.export(module, inputs, file, input_names=names, opset_version=17, do_constant_folding=True, dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
        self.names = [i.name for i in self.session.get_inputs()]
        self.kept = [names.index(name) for name in self.names]

    def __call__(self, *inputs):
        if self.session is None:
            return self.module(*inputs)
        fed = {name: inputs[at].numpy() for name, at in zip(self.names, self.kept)}
        return [torch.from_numpy(out) for out in self.session.run(None, fed)]


class FastSpeech2:
    def __init__(self, engine, model, ids, threads):
        for module in model.modules():
            if isinstance(module, fastspeech2.Conv):
                module.forward = reflecting(module)
        self.ids, n = ids, len(ids)
        length = torch.tensor([n])

        class Encode(torch.nn.Module):
            def forward(self, x):
                h, mask = model.encode(x, length)
                log_d = model.durPred(h, length, mask)
                pitch, energy = model.pitchPred(h, length, mask), model.energyPred(h, length, mask)
                h = h + model.pitchEmbed(pitch[..., None], length, mask)
                return h + model.energyEmbed(energy[..., None], length, mask), log_d

        class Decode(torch.nn.Module):
            def forward(self, h):
                frames = torch.tensor([h.shape[1]])
                mask = torch.ones(1, h.shape[1], 1)
                y = h + fastspeech2.positions(h.shape[1], h.shape[2], h.device)
                y = model.linear(model.decoder(y * mask, frames, mask))
                return y + model.postnet(y, frames, mask)

        self.encode = Graph(engine, Encode().eval(), (ids[None],), threads)
        h, log_d = self.encode(ids[None])
        self.decode = Graph(engine, Decode().eval(), (self.expand(h, log_d),), threads)

    def expand(self, h, log_d):
        durations = torch.expm1(log_d[0]).clamp_min(0).to(torch.int64)
        return torch.repeat_interleave(h, durations, 1)

    def run(self):
        (mel,) = self.decode(self.expand(*self.encode(self.ids[None]))),
        return mel[0].shape[-2] if isinstance(mel, list) else mel.shape[1]


class Matcha:
    def __init__(self, engine, model, ids, threads, steps):
        for module in model.modules():
            if isinstance(module, matcha.Normed):
                module.forward = normed(module)
        self.ids, self.steps = ids, steps
        length = torch.tensor([len(ids)])

        class Encode(torch.nn.Module):
            def forward(self, x):
                _, mu, log_d, _ = model.encoder(x, length)
                return mu, log_d

        self.encode = Graph(engine, Encode().eval(), (ids[None],), threads)
        mu, frames, n = self.expand(*self.encode(ids[None]))

        class Velocity(torch.nn.Module):
            def forward(self, x, mu, t):
                return model.decoder.estimator(x, mu, frames, t)

        self.velocity = Graph(engine, Velocity().eval(), (mu, mu, torch.zeros(1)), threads)

    def expand(self, mu, log_d):
        spans = torch.ceil(torch.exp(log_d[0, 0])).to(torch.int64)
        n = int(spans.sum())
        mu = torch.repeat_interleave(mu, spans, 2)
        padded = -(-n // 4) * 4
        return functional.pad(mu, (0, padded - n)), matcha.Frames.of(torch.tensor([n]), padded), n

    def run(self):
        mu, _, n = self.expand(*self.encode(self.ids[None]))
        x = torch.randn_like(mu) * 0.667
        for step in range(self.steps):
            velocity = self.velocity(x, mu, torch.tensor([step / self.steps]))
            x = x + (velocity[0] if isinstance(velocity, list) else velocity) / self.steps
        return n


class Tacotron:
    """Step by step, in torch alone."""

    def __init__(self, model, ids):
        self.model, self.ids = model, ids

    def run(self):
        # It looks for the end every twenty steps: what was made beyond it is work, too.
        return self.model.decode([self.ids])["pre"].shape[1]


class Vocoder:
    def __init__(self, engine, state, n_frames, threads):
        self.mel, self.n_frames = torch.randn(1, 80, n_frames) * 1.5 - 5, n_frames
        self.graph = Graph(engine, hifigan.load_public(state).requires_grad_(False), (self.mel,), threads)

    def run(self):
        self.graph(self.mel)
        return self.n_frames


def make(engine, order):
    state = load_file(order["weights"])
    if order["part"] == "vocoder":
        return Vocoder(engine, state, order["n_frames"], order["threads"])
    model = voices.architecture(state).from_state(state).eval().requires_grad_(False)
    ids = torch.tensor(order["ids"])
    if isinstance(model, fastspeech2.FastSpeech2):
        return FastSpeech2(engine, model, ids, order["threads"])
    if isinstance(model, matcha.Matcha):
        return Matcha(engine, model, ids, order["threads"], order["steps"])
    return Tacotron(model, ids) if engine == "pytorch" else None


def serve(engine):
    made = {}
    version = torch.__version__ if engine == "pytorch" else onnxruntime.__version__
    print(json.dumps({"version": version}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            torch.set_num_threads(order["threads"])
            key = json.dumps(order)
            with torch.inference_mode(False), torch.no_grad():
                if key not in made:
                    made[key] = make(engine, order)
                    if made[key]:
                        made[key].run()
                if made[key] is None:
                    answer = None
                else:
                    watch = Watch()
                    answer = watch.lap(made[key].run())
        except Exception as error:  # whatever it is, the bench says it
            answer = {"error": f"{order.get('part')}: {str(error).splitlines()[0]}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _, _, engine, recipes = sys.argv
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.pop(name, None)
    sys.path.insert(0, recipes)
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        import torch
        from safetensors.torch import load_file
        from torch.nn import functional

        if engine == "onnxruntime":
            import onnx
            import onnxruntime
        from lib import fastspeech2, hifigan, matcha, voices
    except ImportError as error:
        print(json.dumps({"error": f"{error.name} is missing"}), file=stdout, flush=True)
        sys.exit(1)
    sys.stdout = stdout
    serve(engine)
