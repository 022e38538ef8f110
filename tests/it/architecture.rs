//! The floors of the house: which module may use which.

use std::{collections::BTreeSet, fs, path::Path};

/// Each module with all that it may name; a new arrow is a line here, for a reviewer to see.
const FLOORS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("job", &[]),
    ("files", &[]),
    ("settings", &["domain", "files"]),
    ("dsp", &["domain"]),
    ("nn", &["domain"]),
    ("plot", &["domain", "dsp"]),
    ("lm", &["domain", "files", "job", "nn"]),
    ("metrics", &["domain", "dsp", "nn"]),
    ("tts", &["domain", "job", "dsp", "nn"]),
    ("library", &["domain", "files", "job"]),
    ("audio", &["domain", "files", "job"]),
    ("engine", &["domain", "files", "job", "dsp", "nn", "lm", "metrics", "tts", "library"]),
    ("cli", &["domain", "files", "job", "settings", "dsp", "plot", "library", "audio", "engine"]),
    ("ui", &["domain", "files", "job", "settings", "dsp", "plot", "library", "audio", "engine"]),
];

#[test]
fn modules_use_only_what_stands_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for (module, allowed) in FLOORS {
        for file in sources(&src, module) {
            let text = fs::read_to_string(&file).unwrap();
            for used in crate_paths(&text) {
                if used != *module && !allowed.contains(&used.as_str()) {
                    broken.push(format!("{}: crate::{used}", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "these imports climb the stairs:\n{}", broken.join("\n"));
}

/// Crates that change what a module is, and the only modules that may name them.
const GUESTS: &[(&str, &[&str])] = &[
    ("candle_core", &["nn", "tts", "lm", "engine"]),
    ("candle_nn", &["nn", "tts", "lm", "engine"]),
    ("tokenizers", &["lm"]),
    ("cpu_time", &["lm"]),
    ("memory_stats", &["lm"]),
    ("minijinja", &["lm"]),
    ("realfft", &["dsp", "metrics"]),
    ("skrifa", &["plot"]),
    ("ureq", &["library"]),
    ("cpal", &["audio"]),
    ("rtrb", &["audio"]),
    ("rubato", &["audio"]),
    ("clap", &["cli"]),
    ("ctrlc", &["cli"]),
    ("indicatif", &["cli"]),
    ("anyhow", &["cli", "ui"]),
    ("eframe", &["ui"]),
    ("egui", &["ui"]),
    ("egui_plot", &["ui"]),
    ("rfd", &["ui"]),
];

#[test]
fn guests_stay_in_their_rooms() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for (module, _) in FLOORS {
        for file in sources(&src, module) {
            let text = fs::read_to_string(&file).unwrap();
            for (guest, rooms) in GUESTS {
                if !rooms.contains(module) && text.contains(&format!("{guest}::")) {
                    broken.push(format!("{}: {guest}", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "these modules must not know the crate:\n{}", broken.join("\n"));
}

#[test]
fn every_module_has_a_floor() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let declared: BTreeSet<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let placed: BTreeSet<&str> = FLOORS.iter().map(|(module, _)| *module).collect();
    assert_eq!(declared, placed);
}

fn sources(src: &Path, module: &str) -> Vec<std::path::PathBuf> {
    let file = src.join(format!("{module}.rs"));
    if file.exists() {
        return vec![file];
    }
    let mut found = Vec::new();
    let mut folders = vec![src.join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The first names after `crate::`, with those in braces.
fn crate_paths(text: &str) -> BTreeSet<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let mut paths = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            paths.insert(name(rest));
            continue;
        };
        let mut depth = 1;
        let mut at_start = true;
        for (index, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => at_start = true,
                c if at_start && !c.is_whitespace() => {
                    paths.insert(name(&group[index..]));
                    at_start = false;
                }
                _ => (),
            }
            if depth == 0 {
                break;
            }
        }
    }
    paths
}

#[test]
fn unsafe_stands_in_the_kernels_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for (module, _) in FLOORS {
        for file in sources(&src, module) {
            let text = fs::read_to_string(&file).unwrap();
            let in_kernels = file.starts_with(src.join("nn/kernels"));
            if !in_kernels
                && text.lines().any(|line| {
                    line.trim_start().starts_with("unsafe ") || line.contains(" unsafe {")
                })
            {
                found.push(file.display().to_string());
            }
        }
    }
    assert!(found.is_empty(), "unsafe code outside the kernels:\n{}", found.join("\n"));
}

#[test]
fn a_module_face_holds_no_definitions() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for (module, _) in FLOORS {
        for file in sources(&src, module) {
            if !file.ends_with("mod.rs") {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let defines = text.lines().any(|line| {
                let line = line.trim_start_matches("pub ").trim_start_matches("pub(super) ");
                ["fn ", "struct ", "enum ", "impl ", "trait ", "const ", "static "]
                    .iter()
                    .any(|keyword| line.starts_with(keyword))
            });
            if defines || text.lines().count() >= 80 {
                broken.push(file.display().to_string());
            }
        }
    }
    assert!(broken.is_empty(), "these faces hold more than names:\n{}", broken.join("\n"));
}
