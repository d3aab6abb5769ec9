//! What makes candle quick on a GPU.

use candle_core::{Device, Result};

/// Lets a CUDA device keep the memory that tensors give back, for the tensors of the next step.
///
/// Without it the driver takes all of it back whenever the host waits for the device, which training does in every
/// step. What it keeps other programs lack until this one ends. On other devices, and in a build without the feature
/// `cuda`, nothing happens.
///
/// # Errors
///
/// Those of the driver.
pub fn keep_gpu_memory(device: &Device) -> Result<()> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => keep(device).map_err(candle_core::Error::wrap),
        _ => Ok(()),
    }
}

#[cfg(feature = "cuda")]
fn keep(
    device: &candle_core::CudaDevice,
) -> std::result::Result<(), candle_core::cuda_backend::cudarc::driver::DriverError> {
    use candle_core::cuda_backend::cudarc::driver::result::{
        device::get_default_mem_pool, mem_pool,
    };
    use candle_core::cuda_backend::cudarc::driver::sys::CUmemPool_attribute;

    let context = device.cuda_stream().context().clone();
    if !context.has_async_alloc() {
        // Then there is no pool, and nothing is given back behind our back.
        return Ok(());
    }
    let mut bytes = u64::MAX;
    // SAFETY: the context's device is one that the driver gave, its pool lives as long as the device, and the attribute
    // is a number of 64 bits, which is read before the call ends.
    unsafe {
        let pool = get_default_mem_pool(context.cu_device())?;
        mem_pool::set_attribute(
            pool,
            CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD,
            (&raw mut bytes).cast(),
        )
    }
}
