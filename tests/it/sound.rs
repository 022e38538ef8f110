//! What the sound card gets: recorded from a PulseAudio null sink and compared with the WAV.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::{complaint, figures, formant};

/// The monitor of a null sink swallows the beginning of a new stream: a few of its own buffers.
const LOST: usize = 4096;

/// A process that is gone when this is.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A PulseAudio of our own with one sink that plays to nobody.
struct NullSink {
    folder: tempfile::TempDir,
    _server: Running,
}

impl NullSink {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        // The client wants a cookie, though the server lets everybody in.
        fs::write(at.join("cookie"), [7; 256]).unwrap();
        let mut server = Command::new("pulseaudio");
        server
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"])
            .args(["--realtime=no", "--high-priority=no", "-L"])
            .arg(format!(
                "module-native-protocol-unix socket={}/native auth-anonymous=1",
                at.display()
            ))
            .args(["-L", "module-null-sink sink_name=probe rate=22050 channels=2 format=float32le"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = Running(environment(&mut server, at).spawn().expect("pulseaudio starts"));
        let sink = Self { folder, _server: server };
        wait_for(|| sink.command("pactl").arg("info").output().is_ok_and(|it| it.status.success()));
        sink
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        environment(&mut command, self.folder.path());
        command
    }
}

fn environment<'a>(command: &'a mut Command, at: &Path) -> &'a mut Command {
    command
        .env("HOME", at)
        .env("XDG_RUNTIME_DIR", at)
        .env("XDG_CONFIG_HOME", at)
        .env("PULSE_SERVER", format!("unix:{}/native", at.display()))
        .env("PULSE_COOKIE", at.join("cookie"))
}

#[track_caller]
fn wait_for(mut ready: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing came in a minute");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_is_played_is_the_wav_sample_by_sample() {
    let text = "What you hear is what the file holds, sample by sample.";
    let sink = NullSink::start();
    let wav = sink.folder.path().join("reference.wav");
    figures(formant(&["speak", text, "-o", &wav.display().to_string(), "--json"]));
    let expected: Vec<f32> = hound::WavReader::open(&wav)
        .unwrap()
        .samples::<i16>()
        .map(|sample| f32::from(sample.unwrap()) / 32767.0)
        .collect();

    let raw = sink.folder.path().join("recorded.raw");
    let mut recorder = sink.command("parec");
    recorder
        .args(["-d", "probe.monitor", "--raw", "--rate=22050", "--channels=1"])
        .args(["--format=float32le", "--latency-msec=20"])
        .stdout(File::create(&raw).unwrap());
    let recorder = Running(recorder.spawn().expect("parec starts"));
    wait_for(|| fs::metadata(&raw).is_ok_and(|file| file.len() > 0));
    let mut play = formant(&["speak", text]);
    let played = environment(&mut play, sink.folder.path()).output().unwrap();
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    // The server still has to hand the recorder what it has mixed.
    let tail = fs::metadata(&raw).unwrap().len() + 22_050 * 4;
    wait_for(|| fs::metadata(&raw).is_ok_and(|file| file.len() > tail));
    drop(recorder);

    let bytes = fs::read(&raw).unwrap();
    let recorded: Vec<f32> =
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let offset = find(&recorded, &expected).expect("the speech is in the recording");
    let worst = (LOST..expected.len())
        .map(|n| (recorded[offset + n] - expected[n]).abs())
        .fold(0.0, f32::max);
    // Half a step of 16 bits: the file is rounded, the sound is not.
    assert!(worst <= 0.75 / 32767.0, "the recording differs by {worst}");
}

/// Where in `recorded` the speech begins: the place at which its loudest stretch fits.
fn find(recorded: &[f32], expected: &[f32]) -> Option<usize> {
    let loudest = (LOST..expected.len().saturating_sub(512))
        .max_by(|&a, &b| expected[a].abs().total_cmp(&expected[b].abs()))?;
    let pattern = &expected[loudest..loudest + 512];
    let last = recorded.len().checked_sub(expected.len() - loudest)?;
    (loudest..=last)
        .find(|&at| pattern.iter().zip(&recorded[at..]).all(|(a, b)| (a - b).abs() < 1e-3))
        .map(|at| at - loudest)
}

#[test]
fn without_a_sound_card_speaking_aloud_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = formant(&["speak", "Nobody hears this."]);
    environment(&mut command, folder.path());
    command.env("ALSA_CONFIG_PATH", "/dev/null");
    let said = complaint(command, 1);
    assert!(said.contains("no sound") && said.contains("-o"), "{said}");
    std::io::stdout().flush().unwrap();
}
