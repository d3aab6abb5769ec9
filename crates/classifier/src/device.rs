//! Where a run computes; the one place that opens a device.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use candle_core::{Device, DeviceLocation};
use serde::{Deserialize, Serialize};

use crate::error::ClassifierError;

/// Where a run computes, as a recipe names it: `auto`, `cpu`, `cuda`, `cuda:1` or `metal`.
///
/// Bits are the same on one kind of device alone. So a run writes down the device that it was on, and is resumed on
/// the same.
///
/// ```
/// use taper_classifier::DeviceChoice;
///
/// assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
/// assert_eq!(DeviceChoice::Cuda(1).to_string(), "cuda:1");
/// assert!("gpu".parse::<DeviceChoice>().is_err());
/// assert!(DeviceChoice::Cpu.open()?.is_cpu());
/// # Ok::<(), taper_classifier::ClassifierError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// The first GPU that this program was built for and that is there, else the CPU. The default.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU, by its number from 0; needs the feature `cuda`.
    Cuda(usize),
    /// The GPU of an Apple machine; needs the feature `metal`.
    Metal,
}

impl DeviceChoice {
    /// Opens the device.
    ///
    /// # Errors
    /// [`ClassifierError::Device`]: this program was built without it, or there is none.
    pub fn open(self) -> Result<Device, ClassifierError> {
        let gpu = || [Self::Cuda(0), Self::Metal].into_iter().find_map(|gpu| gpu.open().ok());
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto => Ok(gpu().unwrap_or(Device::Cpu)),
            Self::Cuda(_) if !cfg!(feature = "cuda") => Err(self.not_built_in("cuda")),
            Self::Metal if !cfg!(feature = "metal") => Err(self.not_built_in("metal")),
            Self::Cuda(number) => self.opened(|| Device::new_cuda(number)),
            Self::Metal => self.opened(|| Device::new_metal(0)),
        }
    }

    /// The choice that names an open device.
    pub fn of(device: &Device) -> Self {
        match device.location() {
            DeviceLocation::Cpu => Self::Cpu,
            DeviceLocation::Cuda { gpu_id } => Self::Cuda(gpu_id),
            DeviceLocation::Metal { .. } => Self::Metal,
        }
    }

    /// Opens a device once: what was loaded onto it stays.
    fn opened(
        self,
        open: impl FnOnce() -> candle_core::Result<Device>,
    ) -> Result<Device, ClassifierError> {
        static OPEN: Mutex<BTreeMap<String, Device>> = Mutex::new(BTreeMap::new());
        let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(device) = all.get(&self.to_string()) {
            return Ok(device.clone());
        }
        let open = || {
            let device = open()?;
            taper_model::keep_gpu_memory(&device)?;
            Ok(device)
        };
        let device = open().map_err(|error: candle_core::Error| {
            // Lines behind the first are a trace.
            let error = error.to_string();
            self.unavailable(format!(
                "it does not open: {}",
                error.lines().next().unwrap_or_default()
            ))
        })?;
        all.insert(self.to_string(), device.clone());
        Ok(device)
    }

    fn not_built_in(self, feature: &str) -> ClassifierError {
        self.unavailable(format!("this program was built without it (`--features {feature}`)"))
    }

    fn unavailable(self, reason: String) -> ClassifierError {
        ClassifierError::Device { device: self.to_string(), reason }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(0) => f.write_str("cuda"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix("cuda:").and_then(|number| number.parse().ok());
        match (text, number) {
            ("auto", _) => Ok(Self::Auto),
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            ("metal", _) => Ok(Self::Metal),
            (_, Some(number)) => Ok(Self::Cuda(number)),
            _ => Err(format!("expected auto, cpu, cuda, cuda:N or metal, found `{text}`")),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        choice.to_string()
    }
}

/// The name of a GPU, such as `NVIDIA H100 80GB HBM3`; none of a CPU.
pub fn gpu_name(device: &Device) -> Option<String> {
    match device {
        Device::Cpu => None,
        #[cfg(feature = "cuda")]
        Device::Cuda(cuda) => cuda.cuda_stream().context().name().ok(),
        gpu => Some(DeviceChoice::of(gpu).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_read_back_as_it_is_written() {
        use DeviceChoice::{Auto, Cpu, Cuda, Metal};
        for choice in [Auto, Cpu, Cuda(0), Cuda(3), Metal] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for wrong in ["", "CPU", "cuda:", "cuda:x", "cuda:-1", "gpu"] {
            let message = wrong.parse::<DeviceChoice>().unwrap_err();
            assert!(message.contains("cuda:N") && message.contains(wrong), "{message}");
        }
    }

    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    #[test]
    fn a_device_that_was_not_built_in_is_an_error_that_says_how_to_get_it() {
        for (device, feature) in [("cuda:1", "cuda"), ("metal", "metal")] {
            let message = device.parse::<DeviceChoice>().unwrap().open().unwrap_err().to_string();
            assert!(message.contains(device) && message.contains("cpu"), "{message}");
            assert!(message.contains(&format!("--features {feature}")), "{message}");
        }
        assert!(DeviceChoice::Auto.open().unwrap().is_cpu());
    }
}
