//! The graphics processor that candle's operations run on, opened on request.
//!
//! Only language models use it: speech, which runs faster than anybody listens, stays on the CPU.

use candle_core::{DType, Device};

use crate::domain::DeviceChoice;

/// A processor that tensors live on.
#[derive(Debug, Clone)]
pub struct TensorDevice {
    /// As candle knows it.
    pub candle: Device,
    /// The numbers that weights, activations, keys and values are kept in.
    pub dtype: DType,
    label: String,
}

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The program was built without it.
    #[error(
        "this build of Formant has no {name}; build it with `cargo build --release --features \
         {feature}` (the README says what that takes), or choose the CPU"
    )]
    NotBuilt {
        /// The vendor's name for it.
        name: &'static str,
        /// The feature to build with.
        feature: &'static str,
    },
    /// It is not there, or its driver refuses.
    #[error("{name} cannot be used ({why}); see whether its driver is there, or choose the CPU")]
    NotOpened {
        /// The vendor's name for it.
        name: &'static str,
        /// What the driver said.
        why: String,
    },
}

/// Work that a device did not do, in the words of its driver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeviceFault(String);

impl DeviceFault {
    /// What a driver said.
    #[cfg(feature = "cuda")]
    pub(super) fn of(error: impl std::error::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<candle_core::Error> for DeviceFault {
    fn from(error: candle_core::Error) -> Self {
        Self(first_line(&error))
    }
}

impl TensorDevice {
    /// Opens what was chosen; `None` is the CPU, which has kernels of its own.
    ///
    /// # Errors
    /// If a device was asked for by name and this build, or this machine, does not have it.
    pub fn open(choice: DeviceChoice) -> Result<Option<Self>, DeviceError> {
        match choice {
            DeviceChoice::Cpu => Ok(None),
            DeviceChoice::Cuda => cuda().map(Some),
            DeviceChoice::Metal => metal().map(Some),
            DeviceChoice::Auto => {
                let built_in = [DeviceChoice::Cuda, DeviceChoice::Metal];
                for choice in built_in.into_iter().filter(|choice| choice.is_built_in()) {
                    match Self::open(choice) {
                        Ok(device) => return Ok(device),
                        Err(error) => tracing::info!("language models run on the CPU: {error}"),
                    }
                }
                Ok(None)
            }
        }
    }

    /// The CPU through candle's operations and in single precision: slow, for comparisons.
    pub fn cpu() -> Self {
        Self { candle: Device::Cpu, dtype: DType::F32, label: "CPU, by candle".to_owned() }
    }

    /// What it is, for people.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Bytes of its memory that are in use, by whatever program; `None` where nobody tells.
    pub fn used_bytes(&self) -> Option<u64> {
        #[cfg(feature = "cuda")]
        if let Device::Cuda(cuda) = &self.candle {
            let (free, total) = cuda.cuda_stream().context().mem_get_info().ok()?;
            return Some((total - free) as u64);
        }
        None
    }
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<TensorDevice, DeviceError> {
    let refused = |error: candle_core::Error| DeviceError::NotOpened {
        name: "CUDA",
        why: first_line(&error),
    };
    let candle = super::kernels::open_cuda(0).map_err(refused)?;
    let stream = candle.as_cuda_device().map_err(refused)?.cuda_stream();
    let name = stream.context().name().unwrap_or_else(|_| "device 0".to_owned());
    Ok(TensorDevice { candle, dtype: DType::BF16, label: format!("{name} (CUDA, bf16)") })
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<TensorDevice, DeviceError> {
    Err(DeviceError::NotBuilt { name: "CUDA", feature: "cuda" })
}

#[cfg(feature = "metal")]
fn metal() -> Result<TensorDevice, DeviceError> {
    let refused = |error: candle_core::Error| DeviceError::NotOpened {
        name: "Metal",
        why: first_line(&error),
    };
    let candle = Device::new_metal(0).map_err(refused)?;
    Ok(TensorDevice { candle, dtype: DType::BF16, label: "Metal, bf16".to_owned() })
}

#[cfg(not(feature = "metal"))]
fn metal() -> Result<TensorDevice, DeviceError> {
    Err(DeviceError::NotBuilt { name: "Metal", feature: "metal" })
}

/// candle adds a backtrace below its message.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_needs_no_device() {
        assert!(TensorDevice::open(DeviceChoice::Cpu).unwrap().is_none());
    }

    #[test]
    fn what_was_not_built_in_says_how_to_build_it() {
        for choice in DeviceChoice::ALL.into_iter().filter(|choice| !choice.is_built_in()) {
            let error = TensorDevice::open(choice).unwrap_err().to_string();
            let feature = choice.label().to_lowercase();
            assert!(error.contains(&format!("--features {feature}`")), "{error}");
            assert!(error.contains(choice.label()), "{error}");
        }
    }
}
