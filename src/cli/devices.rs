//! `formant devices`: where sound can go.

use anyhow::Result;

use super::args::Devices;

#[cfg(feature = "audio")]
pub(super) fn run(args: &Devices) -> Result<()> {
    use super::output::json_line;
    let devices = crate::audio::output_devices();
    if args.json {
        for device in &devices {
            json_line(&serde_json::to_value(device)?)?;
        }
        return Ok(());
    }
    if devices.is_empty() {
        println!("No output device answers. Connect one, or start the sound server.");
        println!("Speech can be written to files all the same: formant speak TEXT -o FILE");
    }
    let width = devices.iter().map(|device| device.id.len()).max().unwrap_or(0);
    for device in &devices {
        let mark = if device.is_default { "*" } else { " " };
        println!("{mark} {:width$}  {}", device.id, device.name);
    }
    if devices.iter().any(|device| device.is_default) {
        println!("\n* is the system's default");
    }
    Ok(())
}

#[cfg(not(feature = "audio"))]
pub(super) fn run(_args: &Devices) -> Result<()> {
    anyhow::bail!("this build has no sound; build it with the feature `audio`")
}
