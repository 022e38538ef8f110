//! Operations that are queued once and then run again and again as one.
//!
//! Queuing costs some microseconds an operation, which is most of a pass over few rows. What a CUDA
//! graph runs are the same kernels on the same memory, so whatever they read has to be written there
//! before each run.

use super::{DeviceFault, TensorDevice};

/// Recorded operations. They run on memory of the tensors they were recorded with: who keeps a
/// recording keeps those.
pub struct Recording(Graph);

#[cfg(feature = "cuda")]
type Graph = candle_core::cuda_backend::cudarc::driver::CudaGraph;
/// Nothing else records.
#[cfg(not(feature = "cuda"))]
type Graph = std::convert::Infallible;

impl Recording {
    /// Runs the operations, behind all that was queued before.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn run(&self) -> Result<(), DeviceFault> {
        #[cfg(feature = "cuda")]
        return self.0.launch().map_err(DeviceFault::of);
        #[cfg(not(feature = "cuda"))]
        match self.0 {}
    }
}

impl TensorDevice {
    /// Whether it can record.
    pub fn records(&self) -> bool {
        self.candle.is_cuda()
    }

    /// Records what `work` queues, which runs twice before. It must not wait for the device, and must
    /// queue the same each time. `None` if the device does not record.
    ///
    /// # Errors
    /// If `work` fails or the device refuses.
    #[cfg(feature = "cuda")]
    pub fn record<E: From<DeviceFault>>(
        &self,
        work: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Option<Recording>, E> {
        use candle_core::cuda_backend::cudarc::driver::sys;

        let candle_core::Device::Cuda(cuda) = &self.candle else { return Ok(None) };
        // Shapes and strides that kernels are told lie in memory that outlives the recording.
        let _shapes = cuda.enable_cuda_graph_htod_cache();
        work()?;
        work()?;
        self.candle.synchronize().map_err(DeviceFault::from)?;
        let stream = cuda.cuda_stream();
        let of_this_thread = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        stream.begin_capture(of_this_thread).map_err(DeviceFault::of)?;
        let outcome = work();
        // The capture has to end whatever came of the work.
        let free_before_run =
            sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
        let graph = stream.end_capture(free_before_run).map_err(DeviceFault::of);
        outcome?;
        let Some(graph) = graph? else { return Ok(None) };
        graph.upload().map_err(DeviceFault::of)?;
        Ok(Some(Recording(graph)))
    }

    /// Records what `work` queues; `None`, since no device of this build records.
    ///
    /// # Errors
    /// None.
    #[cfg(not(feature = "cuda"))]
    pub fn record<E: From<DeviceFault>>(
        &self,
        _work: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Option<Recording>, E> {
        Ok(None)
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recording")
    }
}
