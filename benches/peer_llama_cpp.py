"""llama.cpp for `formant bench engine --peer llama.cpp`: does what it is told, says how long it took.

    python peer_llama_cpp.py serve MODEL.gguf N_THREADS CONTEXT     (the bench starts this itself)
    python peer_llama_cpp.py requantize MODEL.gguf OUT.gguf         (linear layers to Q4_0, for which
        llama.cpp has its fastest kernels; the embedding, which is the output head too, stays Q8_0)

Orders and answers are lines of JSON. Times are the processor time of this process and the clock's.
What is measured is the C library alone: tokens and batches are made before the watch starts, and of
the logits the likeliest token is looked up, as any engine must.
"""

import ctypes
import json
import sys
import time

try:
    import llama_cpp as lib
    import numpy as np
except ImportError:
    print(json.dumps({"error": "llama-cpp-python is missing"}), flush=True)
    sys.exit(1)

QUIET = lib.llama_log_callback(lambda *_: None)
lib.llama_log_set(QUIET, ctypes.c_void_p(0))


class Watch:
    def __init__(self):
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def lap(self, n_tokens):
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return {"n_tokens": n_tokens, "wall_secs": wall, "cpu_secs": cpu}


class Engine:
    def __init__(self, path, n_threads, n_context):
        lib.llama_backend_init()
        self.model = lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"it cannot load {path}")
        params = lib.llama_context_default_params()
        params.n_ctx = n_context
        params.n_batch = params.n_ubatch = 512
        params.n_threads = params.n_threads_batch = n_threads
        params.n_seq_max = 1
        self.context = lib.llama_init_from_model(self.model, params)
        if not self.context:
            raise RuntimeError("it has no room for the context")
        self.memory = lib.llama_get_memory(self.context)
        self.n_vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.held = []
        self.batch = lib.llama_batch_init(512, 0, 1)

    def about(self):
        name = ctypes.create_string_buffer(128)
        lib.llama_model_desc(self.model, name, len(name))
        system = lib.llama_print_system_info().decode()
        on = [part.split("=")[0].split(":")[-1].strip() for part in system.split("|") if part.strip().endswith("= 1")]
        return {"version": f"llama-cpp-python {lib.__version__} ({', '.join(on)})", "model": name.value.decode()}

    def fill(self, tokens, first, logits):
        """A batch of tokens from position `first` on; `logits`: "none", "last" or "all"."""
        self.batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            self.batch.token[i] = token
            self.batch.pos[i] = first + i
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = 0
            self.batch.logits[i] = logits == "all" or logits == "last" and i + 1 == len(tokens)

    def run(self):
        status = lib.llama_decode(self.context, self.batch)
        if status:
            raise RuntimeError(f"llama_decode says {status}")
        lib.llama_synchronize(self.context)

    def logits(self, n_rows):
        pointer = lib.llama_get_logits(self.context)
        return np.ctypeslib.as_array(pointer, shape=(n_rows, self.n_vocab))

    def forget(self, n_kept):
        if not lib.llama_memory_seq_rm(self.memory, 0, n_kept, -1):
            raise RuntimeError("it cannot forget")
        del self.held[n_kept:]

    def hold(self, context):
        """Makes the cache hold exactly these tokens."""
        same = 0
        while same < min(len(self.held), len(context)) and self.held[same] == context[same]:
            same += 1
        self.forget(same)
        for start in range(same, len(context), 512):
            self.fill(context[start:start + 512], start, "none")
            self.run()
        self.held = list(context)

    def prefill(self, tokens):
        self.forget(0)
        watch = Watch()
        for start in range(0, len(tokens), 512):
            last = start + 512 >= len(tokens)
            self.fill(tokens[start:start + 512], start, "last" if last else "none")
            self.run()
        int(self.logits(1)[0].argmax())
        sample = watch.lap(len(tokens))
        self.held = list(tokens)
        return sample

    def decode(self, context, token, n_tokens):
        self.hold(context)
        watch = Watch()
        for i in range(n_tokens):
            self.fill([token], len(context) + i, "last")
            self.run()
            token = int(self.logits(1)[0].argmax())
        sample = watch.lap(n_tokens)
        self.forget(len(context))
        return sample

    def verify(self, context, tokens):
        self.hold(context)
        self.fill(tokens, len(context), "all")
        watch = Watch()
        self.run()
        self.logits(len(tokens)).argmax(axis=1)
        sample = watch.lap(len(tokens))
        self.forget(len(context))
        return sample

    def nll(self, tokens):
        self.forget(0)
        if len(tokens) > 512:
            raise RuntimeError("a window has 512 tokens at most")
        self.fill(tokens, 0, "all")
        self.run()
        logits = self.logits(len(tokens)).astype(np.float64)[:-1]
        logits -= logits.max(axis=1, keepdims=True)
        likelihood = logits[np.arange(len(tokens) - 1), tokens[1:]] - np.log(np.exp(logits).sum(axis=1))
        self.forget(0)
        return {"nll": float(-likelihood.sum())}


def serve(path, n_threads, n_context):
    engine = Engine(path, int(n_threads), int(n_context))
    print(json.dumps(engine.about()), flush=True)
    orders = {"prefill": engine.prefill, "decode": engine.decode, "verify": engine.verify, "nll": engine.nll}
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(orders[order.pop("do")](**order)), flush=True)


def requantize(path, out):
    params = lib.llama_model_quantize_default_params()
    params.ftype = lib.LLAMA_FTYPE_MOSTLY_Q4_0
    params.allow_requantize = True
    params.token_embedding_type = params.output_tensor_type = lib.GGML_TYPE_Q8_0
    params.nthread = 1
    if lib.llama_model_quantize(path.encode(), out.encode(), ctypes.byref(params)):
        raise RuntimeError(f"it cannot requantize {path}")


if __name__ == "__main__":
    try:
        {"serve": serve, "requantize": requantize}[sys.argv[1]](*sys.argv[2:])
    except Exception as error:  # Whatever it is, the bench wants to hear of it.
        print(json.dumps({"error": str(error)}), flush=True)
        sys.exit(1)
