//! Which outputs there are.

use cpal::traits::{DeviceTrait, HostTrait};
use serde::Serialize;

/// Somewhere sound can go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutputDevice {
    /// Stable name for settings: `pulseaudio:probe`, `alsa:default`.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Whether the system would choose it.
    pub is_default: bool,
}

/// Every output of every sound system that answers. May take a while: never call it in a frame.
pub fn output_devices() -> Vec<OutputDevice> {
    let default = cpal::default_host()
        .default_output_device()
        .and_then(|device| device.id().ok())
        .map(|id| id.to_string());
    let mut found = Vec::new();
    for host in cpal::available_hosts() {
        let Ok(host) = cpal::host_from_id(host) else { continue };
        let Ok(devices) = host.output_devices() else { continue };
        for device in devices {
            let (Ok(id), Ok(description)) = (device.id(), device.description()) else { continue };
            let id = id.to_string();
            found.push(OutputDevice {
                is_default: default.as_ref() == Some(&id),
                name: description.name().to_owned(),
                id,
            });
        }
    }
    found
}
