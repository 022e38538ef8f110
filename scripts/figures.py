#!/usr/bin/env python3
"""Measures the figures that the README states, on this machine, in release.

usage: figures.py PATH_TO_FORMANT     (wants Xvfb and xdotool, and the default language model fetched)

The window runs under Xvfb with software OpenGL; frame times are the CPU time of the pages' own code, as
the window itself logs it. Speech and chat are measured through the commands, a fresh process each time;
loading is kept apart, as the engine reports it.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

SENTENCE = "The birch canoe slid on the smooth planks, and glue was spread on the dark blue background."
PROMPT = "Write a short story about a lighthouse keeper and the sea."


def median(values):
    return statistics.median(values) if values else float("nan")


def last_line(formant, *arguments):
    run = subprocess.run([formant, *arguments, "--json"], check=True, capture_output=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def commands(formant, out):
    speech = [last_line(formant, "speak", SENTENCE, "-o", f"{out}/a.wav") for _ in range(5)]
    chat = [last_line(formant, "chat", "--prompt", PROMPT, "--temperature", "0", "--max-tokens", "96",
                      "--speculative", "none") for _ in range(3)]
    return {
        "speech_secs": speech[0]["duration_secs"],
        "rtf": median([run["rtf"] for run in speech]),
        "first_audio_ms": median([run["first_audio_ms"] for run in speech]),
        "speech_load_ms": median([run["load_ms"] for run in speech]),
        "chat_tokens_per_sec": median([run["tokens_per_sec"] for run in chat]),
        "chat_ttft_ms": median([run["ttft_ms"] for run in chat]),
        "chat_load_ms": median([run["load_ms"] for run in chat]),
    }


class Window:
    """The studio under Xvfb, driven by keys, its frame times read off its log."""

    def __init__(self, formant, out):
        self.display = f":{200 + os.getpid() % 700}"
        self.server = subprocess.Popen(
            ["Xvfb", self.display, "-screen", "0", "1400x900x24", "-nolisten", "tcp", "+extension", "GLX"],
            stderr=subprocess.DEVNULL)
        time.sleep(2)
        self.log = f"{out}/window.log"
        environment = dict(os.environ, DISPLAY=self.display, FORMANT_LOG="formant::frame=debug", XDG_RUNTIME_DIR=out,
                           NO_COLOR="1")
        environment.pop("WAYLAND_DISPLAY", None)
        self.begun = time.monotonic()
        self.app = subprocess.Popen([formant], env=environment, stderr=open(self.log, "w"))
        while not self.frames():
            time.sleep(0.01)
            if time.monotonic() - self.begun > 60:
                raise SystemExit("the window draws nothing")
        self.first_frame_ms = self.field("since_start_ms")[0]
        time.sleep(3)
        self.key("windowfocus", "--sync", self.window())

    def window(self):
        found = subprocess.run(["xdotool", "search", "--sync", "--onlyvisible", "--name", "^Formant$"],
                               env=dict(os.environ, DISPLAY=self.display), capture_output=True, text=True)
        return found.stdout.split()[0]

    def key(self, *arguments):
        subprocess.run(["xdotool", *arguments], env=dict(os.environ, DISPLAY=self.display), check=True)
        time.sleep(0.5)

    def field(self, name):
        return [float(value) for value in re.findall(rf"{name}=([0-9.]+)", open(self.log).read())]

    def frames(self):
        return self.field("ui_ms")

    def rss_mb(self):
        status = open(f"/proc/{self.app.pid}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def close(self):
        self.app.terminate()
        self.app.wait()
        self.server.terminate()
        self.server.wait()


def window(formant, out):
    studio = Window(formant, out)
    figures = {"first_frame_ms": studio.first_frame_ms, "rss_start_mb": studio.rss_mb()}
    before = len(studio.frames())
    time.sleep(10)
    figures["frames_in_ten_idle_secs"] = len(studio.frames()) - before
    studio.key("key", "ctrl+Return")
    before = len(studio.frames())
    time.sleep(8)
    figures["rss_speaking_mb"] = studio.rss_mb()
    figures["speak_frame_ms"] = median(studio.frames()[before:])
    studio.key("key", "ctrl+2")
    studio.key("key", "ctrl+l")
    studio.key("type", "--delay", "20", PROMPT)
    studio.key("key", "Return")
    before = len(studio.frames())
    time.sleep(10)
    figures["rss_chatting_mb"] = studio.rss_mb()
    figures["chat_frame_ms"] = median(studio.frames()[before:])
    for page, keys in (("models", "ctrl+3"), ("settings", "ctrl+4")):
        before = len(studio.frames())
        studio.key("key", keys)
        studio.key("mousemove", "700", "450")
        studio.key("mousemove", "720", "470")
        time.sleep(1)
        figures[f"{page}_frame_ms"] = median(studio.frames()[before:])
    studio.close()
    return figures


def main():
    formant = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as out:
        figures = commands(formant, out)
        figures.update(window(formant, out))
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
