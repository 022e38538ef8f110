//! The one unsafe step on the way to a CUDA device: events, which only several streams need, would
//! make every operation of candle's slower to queue.
#![expect(unsafe_code, reason = "candle leaves the order between streams to who switches it off")]

use candle_core::{Device, Result};

/// Opens a CUDA device, with a stream of its own.
///
/// # Errors
/// If there is no such device, or its driver refuses.
pub fn open_cuda(ordinal: usize) -> Result<Device> {
    let device = Device::new_cuda_with_stream(ordinal)?;
    // SAFETY: all tensors of this device are made, used and freed on its one stream, which does one
    // thing after the other; nothing here hands one to another stream.
    unsafe { device.as_cuda_device()?.disable_event_tracking() };
    Ok(device)
}
