//! The real window, under Xvfb, driven by label: clicks and keys in, pictures out.
//!
//! `make screenshots` runs this with `FORMANT_SCREENSHOTS` naming the folder that the README shows;
//! otherwise, and for pages that show paths of this machine, the pictures land in `out/window`.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use eframe::egui::{
    self,
    accesskit::{Node, NodeId, Role},
};
use egui_inspection::protocol::{Request, Response, read_handshake, read_message, write_message};

use crate::support::{data, root};

/// How long anything may take before the test gives up; a busy machine is slow, not broken.
const PATIENCE: Duration = Duration::from_mins(3);

/// A process that is gone when this is.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The studio in its window, and the wire to it.
struct Studio {
    wire: TcpStream,
    pictures: PathBuf,
    _window: Running,
    _display: Running,
    _home: tempfile::TempDir,
}

impl Studio {
    /// Opens the window on a display of its own, with a user who has nothing but the language model.
    fn open(settings: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let model = "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";
        let place = home.path().join(model);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let source = data().join(model);
        fs::hard_link(&source, &place).or_else(|_| fs::copy(&source, &place).map(|_| ())).unwrap();
        fs::write(home.path().join("settings.toml"), settings).unwrap();

        let (display, number) = start_display();
        // The system picks a port that is free; the window takes it over at once.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let window = Command::new(env!("CARGO_BIN_EXE_formant"))
            .env("DISPLAY", format!(":{number}"))
            .env_remove("WAYLAND_DISPLAY")
            .env("XDG_RUNTIME_DIR", home.path())
            .env("HOME", home.path())
            .env("FORMANT_DATA", home.path())
            .env("FORMANT_MODELS", root().join("models"))
            .env("EGUI_INSPECTION", &address)
            .env_remove("PULSE_SERVER")
            .stderr(Stdio::null())
            .spawn()
            .expect("the window starts");
        let window = Running(window);
        let begun = Instant::now();
        let wire = loop {
            match TcpStream::connect(&address) {
                Ok(wire) => break wire,
                Err(_) if begun.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(100)),
                Err(error) => panic!("the window does not answer: {error}"),
            }
        };
        read_handshake(&wire).unwrap();
        let pictures = std::env::var_os("FORMANT_SCREENSHOTS")
            .map_or_else(|| root().join("out/window"), |folder| root().join(folder));
        fs::create_dir_all(&pictures).unwrap();
        Self { wire, pictures, _window: window, _display: display, _home: home }
    }

    fn ask(&self, request: &Request) -> Response {
        write_message(&self.wire, request).expect("the window listens");
        read_message(&self.wire).expect("the window answers")
    }

    fn tree(&self) -> Vec<(NodeId, Node)> {
        match self.ask(&Request::GetTree) {
            Response::Tree { accesskit: Some(tree), .. } => tree.nodes,
            other => panic!("no tree: {other:?}"),
        }
    }

    /// The centre of the widget of that role and name, if it is there.
    fn find(&self, role: Role, name: &str) -> Option<egui::Pos2> {
        let nodes = self.tree();
        let node = nodes.iter().map(|(_, node)| node).find(|node| {
            node.role() == role && !node.is_hidden() && named(&nodes, node).as_deref() == Some(name)
        })?;
        let bounds = node.bounds()?;
        Some(egui::pos2(
            f64::midpoint(bounds.x0, bounds.x1) as f32,
            f64::midpoint(bounds.y0, bounds.y1) as f32,
        ))
    }

    #[track_caller]
    fn wait_for(&self, what: &str, mut there: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !there(self) {
            if begun.elapsed() > PATIENCE {
                self.picture("gave-up");
                let seen: Vec<String> =
                    self.tree().iter().filter_map(|(_, node)| text(node)).collect();
                panic!("{what} did not come; the window shows {seen:?}");
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether any text in the window contains `wanted`.
    fn shows(&self, wanted: &str) -> bool {
        self.tree().iter().filter_map(|(_, node)| text(node)).any(|text| text.contains(wanted))
    }

    #[track_caller]
    fn click(&self, role: Role, name: &str) {
        self.wait_for(name, |studio| studio.find(role, name).is_some());
        let pos = self.find(role, name).unwrap();
        let button = |pressed| egui::Event::PointerButton {
            pos,
            button: egui::PointerButton::Primary,
            pressed,
            modifiers: egui::Modifiers::NONE,
        };
        // A frame between each, as with a hand.
        self.send(vec![egui::Event::PointerMoved(pos)]);
        self.send(vec![button(true)]);
        self.send(vec![button(false)]);
    }

    fn key(&self, key: egui::Key, modifiers: egui::Modifiers) {
        let event = |pressed| egui::Event::Key {
            key,
            physical_key: None,
            pressed,
            repeat: false,
            modifiers,
        };
        self.send(vec![egui::Event::ModifiersChanged(modifiers), event(true)]);
        self.send(vec![event(false), egui::Event::ModifiersChanged(egui::Modifiers::NONE)]);
    }

    fn write(&self, text: &str) {
        self.send(vec![egui::Event::Text(text.to_owned())]);
    }

    fn send(&self, events: Vec<egui::Event>) {
        assert!(matches!(self.ask(&Request::ApplyEvents { events }), Response::Done));
    }

    /// Takes a picture of the window and says whether it shows more than one colour.
    fn picture(&self, name: &str) -> bool {
        // The pointer is put where it draws nothing.
        self.send(vec![egui::Event::PointerGone]);
        let Response::Screenshot(png) =
            self.ask(&Request::GetScreenshot { pixels_per_point: None })
        else {
            panic!("no picture");
        };
        // The pages that show where files lie are looked at here, and shown to nobody.
        let shows_paths = ["models", "settings"].iter().any(|page| name.starts_with(page));
        let folder = if shows_paths { root().join("out/window") } else { self.pictures.clone() };
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.png")), &png.bytes).unwrap();
        let picture = image::load_from_memory(&png.bytes).unwrap().to_rgb8();
        let colors: std::collections::HashSet<_> = picture.pixels().collect();
        colors.len() > 50
    }

    /// Frames drawn so far.
    fn frames(&self) -> u64 {
        match self.ask(&Request::GetTree) {
            Response::Tree { step, .. } => step,
            other => panic!("no tree: {other:?}"),
        }
    }
}

fn start_display() -> (Running, u32) {
    let number = 100
        + std::process::id() % 800
        + DISPLAYS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let display = Command::new("Xvfb")
        .arg(format!(":{number}"))
        .args(["-screen", "0", "1400x900x24", "-nolisten", "tcp", "+extension", "GLX"])
        .stderr(Stdio::null())
        .spawn()
        .expect("Xvfb starts; `make test` installs it");
    let display = Running(display);
    let socket = PathBuf::from(format!("/tmp/.X11-unix/X{number}"));
    let begun = Instant::now();
    while !Path::exists(&socket) {
        assert!(begun.elapsed() < PATIENCE, "Xvfb does not come up");
        thread::sleep(Duration::from_millis(50));
    }
    (display, number)
}

static DISPLAYS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

fn text(node: &Node) -> Option<String> {
    node.label().or(node.value()).map(str::to_owned)
}

fn named(nodes: &[(NodeId, Node)], node: &Node) -> Option<String> {
    node.label().map(str::to_owned).or_else(|| {
        let labels = node.labelled_by().iter();
        let found = labels.filter_map(|id| nodes.iter().find(|(other, _)| other == id));
        Some(found.filter_map(|(_, label)| text(label)).collect())
    })
}

const COMMAND: egui::Modifiers = egui::Modifiers::COMMAND;

#[test]
fn a_user_speaks_and_chats_by_clicks_and_keys() {
    let studio = Studio::open("[chat.sampling]\ntemperature = 0.0\n");

    // Speak: the keyboard alone, from the sentence to the take.
    studio.click(Role::MultilineTextInput, "Text");
    studio.key(egui::Key::A, COMMAND);
    studio
        .write("Formants are the resonances of the voice. Dr. Smith heard three of them in 1952!");
    studio.key(egui::Key::Enter, COMMAND);
    studio.wait_for("the first take", |studio| studio.shows("RTF") && studio.shows("Ready"));
    for spoken in ["Take 1", "Duration", "First audio"] {
        assert!(studio.shows(spoken), "{spoken} is not shown");
    }
    assert!(studio.picture("speak-dark"), "the Speak page is blank");

    // Evaluate: two voices on five sentences, in figures.
    studio.key(egui::Key::Num2, COMMAND);
    studio.wait_for("the page", |studio| studio.shows("Compare voices in figures"));
    studio.click(Role::CheckBox, "Signal quality");
    studio.key(egui::Key::Enter, COMMAND);
    studio.wait_for("the figures", |studio| studio.shows("Plot of RTF") && studio.shows("Ready"));
    assert!(studio.shows("fetch whisper-tiny.en"), "nothing says why words are not measured");
    assert!(studio.picture("evaluate-dark"), "the Evaluate page is blank");

    // Chat: a message, and a reply with its figures.
    studio.key(egui::Key::Num3, COMMAND);
    studio.click(Role::MultilineTextInput, "Message");
    studio.write("Name the capital of France.");
    studio.key(egui::Key::Enter, egui::Modifiers::NONE);
    studio.wait_for("the reply", |studio| studio.shows("Paris") && studio.shows("Ready"));
    assert!(studio.shows("TTFT"), "the reply has no figures");

    // A reply that n-gram lookup helps with, its tokens coloured by origin.
    studio.click(Role::CheckBox, "Colour tokens");
    studio.click(Role::MultilineTextInput, "Message");
    studio.write(
        "Repeat this text twice, word for word: The quick brown fox jumps over the lazy dog. \
         The five boxing wizards jump quickly. Sphinx of black quartz, judge my vow.",
    );
    studio.key(egui::Key::Enter, egui::Modifiers::NONE);
    studio.wait_for("the second reply", |studio| studio.shows("quartz") && studio.shows("Ready"));
    assert!(studio.picture("chat-dark"), "the Chat page is blank");

    // One prompt by several ways to speculate, and the same text from each.
    studio.key(egui::Key::M, COMMAND | egui::Modifiers::SHIFT);
    studio.wait_for("the comparison", |studio| studio.shows("Compare ways to speculate"));
    studio.click(Role::SpinButton, "Repeats");
    studio.key(egui::Key::A, COMMAND);
    studio.write("1");
    studio.key(egui::Key::Enter, egui::Modifiers::NONE);
    studio.click(Role::Button, "Run");
    studio.wait_for("the figures", |studio| studio.shows("Export to") && studio.shows("Ready"));
    assert!(studio.shows("✔ identical"), "no way to speculate writes the same text");
    assert!(studio.picture("compare-dark"), "the comparison is blank");
    studio.click(Role::Button, "Close");

    // An adapter is put on, and the base answers beside it.
    studio.key(egui::Key::N, COMMAND);
    studio.wait_for("the rack", |studio| studio.find(Role::CheckBox, "Touch rugby").is_some());
    studio.click(Role::CheckBox, "Touch rugby");
    studio.key(egui::Key::B, COMMAND | egui::Modifiers::SHIFT);
    studio.click(Role::MultilineTextInput, "Message");
    studio.write("In touch rugby, how many players does a team have on the field?");
    studio.key(egui::Key::Enter, egui::Modifiers::NONE);
    studio.wait_for("both replies", |studio| {
        studio.shows("six players")
            && studio.shows("Base, without adapters")
            && studio.shows("Ready")
    });
    assert!(studio.picture("adapters-dark"), "the pair is blank");
    studio.click(Role::CheckBox, "Touch rugby");

    // Models and Settings.
    studio.key(egui::Key::Num4, COMMAND);
    studio.wait_for("the models", |studio| studio.shows("SmolLM2 135M Instruct"));
    assert!(studio.picture("models-dark"), "the Models page is blank");
    studio.key(egui::Key::Num5, COMMAND);
    studio.wait_for("the settings", |studio| studio.shows("Theme"));
    assert!(studio.picture("settings-dark"), "the Settings page is blank");

    // The palette, from any page.
    studio.key(egui::Key::K, COMMAND);
    studio.wait_for("the palette", |studio| studio.shows("Export"));
    assert!(studio.picture("palette-dark"), "the palette is blank");
    studio.key(egui::Key::Escape, egui::Modifiers::NONE);

    // Idle costs nothing: no more frames in ten seconds than in one, which are those that the
    // question itself draws.
    studio.wait_for("rest", |studio| studio.shows("Ready"));
    thread::sleep(Duration::from_secs(4));
    let first = studio.frames();
    thread::sleep(Duration::from_secs(1));
    let before = studio.frames();
    thread::sleep(Duration::from_secs(10));
    let drawn = studio.frames() - before;
    assert!(drawn <= before - first, "{drawn} frames in ten idle seconds");

    // The other look.
    studio.click(Role::Button, "Light");
    studio.key(egui::Key::Num1, COMMAND);
    assert!(studio.picture("speak-light"), "the light Speak page is blank");
    studio.key(egui::Key::Num3, COMMAND);
    assert!(studio.picture("chat-light"), "the light Chat page is blank");
}
