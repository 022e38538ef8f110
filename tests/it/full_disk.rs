//! What happens when the disk is full: on a real file system of 64 KB, mounted for the test alone.

use std::{
    fs,
    process::{Command, Output},
};

use crate::support::{data, root};

/// Runs a shell script with a nearly full disk at `$DISK`, in a mount namespace of its own.
fn on_a_full_disk(script: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mounted = format!(
        "mount -t tmpfs -o size=64k none \"$DISK\" && cd \"$DISK\" && {script}\n\
         code=$?; echo \"exit: $code\"; ls -A \"$DISK\"; cat \"$DISK\"/a.wav"
    );
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", &mounted])
        .env("DISK", folder.path())
        .env("FORMANT", env!("CARGO_BIN_EXE_formant"))
        .env("FORMANT_DATA", data())
        .env("FORMANT_MODELS", root().join("models"))
        .output()
        .expect("util-linux's unshare is there");
    // What was mounted is gone with the namespace.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    output
}

#[test]
fn a_sound_that_finds_no_room_says_so_and_leaves_the_old_one() {
    let output =
        on_a_full_disk("printf old > a.wav && \"$FORMANT\" speak 'No room is left here.' -o a.wav");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the disk is full, make room and try again"), "{said}");
    assert!(said.contains("a.wav") && !said.contains("panicked"), "{said}");
    let left = String::from_utf8_lossy(&output.stdout);
    assert_eq!(left, "exit: 1\na.wav\nold");
}
