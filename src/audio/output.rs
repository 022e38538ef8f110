//! The thread that owns the output device: takes orders, keeps the device's ring filled.
//!
//! The device's callback touches a lock-free ring and atomics only: it never locks, allocates or
//! waits.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cpal::{
    BufferSize, StreamConfig,
    traits::{DeviceTrait, HostTrait, StreamTrait},
};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use rtrb::{Consumer, Producer, RingBuffer};

use super::{
    player::{Heard, Loops},
    resample::StreamResampler,
};
use crate::{domain::Waveform, job::Waker};

/// Frames the device asks for at a time: 93 ms at 22,050 Hz. Smaller ones tear under load.
const BUFFER_FRAMES: u32 = 2048;

/// Frames that may wait in the ring: long enough that a busy machine does not tear the sound.
const RING_FRAMES: usize = 1 << 15;

/// How often the ring is filled while something plays.
const FILL_EVERY: Duration = Duration::from_millis(15);

/// How long an open device waits in silence for the next sound before it is let go.
const LINGER: Duration = Duration::from_secs(3);

/// Buffers a device may still hold after it has taken the last sample.
const TAIL_BUFFERS: u32 = 3;

/// What the sound thread can be asked for.
pub(super) enum Order {
    Device(String),
    Play { number: u64, waveform: Arc<Waveform>, range: Range<usize>, loops: Loops },
    BeginStream { number: u64, sample_rate: u32 },
    Push(Box<[f32]>),
    EndStream,
    Stop,
}

/// The thread's state.
pub(super) struct Sound {
    device: String,
    inbox: Receiver<Order>,
    heard: Arc<Heard>,
    waker: Waker,
    output: Option<Output>,
    /// Which order the source came with.
    number: u64,
    source: Source,
    /// When the last sample was taken by the device, or the last order ended.
    quiet_since: Instant,
}

/// Where samples come from.
enum Source {
    Nothing,
    Range { waveform: Arc<Waveform>, range: Range<usize>, next: usize, loops: Loops },
    Stream { waiting: VecDeque<f32>, ended: bool },
}

/// An open device.
struct Output {
    ring: Producer<f32>,
    shared: Arc<Shared>,
    /// Samples put into the ring, ever.
    pushed: u64,
    /// Samples per second of the source it was opened for.
    source_rate: u32,
    device_rate: u32,
    resampler: Option<StreamResampler>,
    /// Dropping it ends the sound at once, so it goes last.
    _stream: cpal::Stream,
}

/// What thread and callback tell each other.
#[derive(Default)]
struct Shared {
    /// Samples taken out of the ring, ever.
    popped: AtomicU64,
    /// Samples before this one are thrown away unheard.
    discard_to: AtomicU64,
    /// Set by the error callback.
    broken: std::sync::Mutex<Option<String>>,
}

impl Sound {
    pub(super) fn new(
        device: String,
        inbox: Receiver<Order>,
        heard: Arc<Heard>,
        waker: Waker,
    ) -> Self {
        let (source, quiet_since) = (Source::Nothing, Instant::now());
        Self { device, inbox, heard, waker, output: None, number: 0, source, quiet_since }
    }

    /// Takes orders until the player is gone.
    pub(super) fn run(mut self) {
        loop {
            let order = if self.output.is_none() {
                self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.inbox.recv_timeout(FILL_EVERY)
            };
            match order {
                Ok(order) => {
                    self.obey(order);
                    while let Ok(order) = self.inbox.try_recv() {
                        self.obey(order);
                    }
                }
                Err(RecvTimeoutError::Timeout) => (),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.fill();
            self.look();
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Device(device) => {
                self.device = device;
                self.output = None;
                // What played has lost its device: without one it would never come to its end.
                self.source = Source::Nothing;
                self.heard.end(self.number);
                (self.waker)();
            }
            Order::Play { number, waveform, range, loops } => {
                let looped = if loops == Loops::Forever { range.len() as u64 } else { 0 };
                self.begin(number, waveform.sample_rate, range.start as u64, looped);
                let next = range.start;
                self.source = Source::Range { waveform, range, next, loops };
            }
            Order::BeginStream { number, sample_rate } => {
                self.begin(number, sample_rate, 0, 0);
                self.source = Source::Stream { waiting: VecDeque::new(), ended: false };
            }
            Order::Push(samples) => {
                if let Source::Stream { waiting, .. } = &mut self.source {
                    waiting.extend(samples);
                }
            }
            Order::EndStream => {
                if let Source::Stream { ended, .. } = &mut self.source {
                    *ended = true;
                }
            }
            Order::Stop => {
                self.discard();
                self.source = Source::Nothing;
                self.quiet_since = Instant::now();
            }
        }
    }

    /// Makes ready for a new sound: what waits in the ring is dropped, the device opened if need be.
    fn begin(&mut self, number: u64, sample_rate: u32, first: u64, looped: u64) {
        self.discard();
        self.number = number;
        if self.output.as_ref().is_none_or(|output| output.source_rate != sample_rate) {
            self.output = None;
            match Output::open(&self.device, sample_rate, &self.heard) {
                Ok(output) => {
                    self.heard.set_problem(None);
                    self.output = Some(output);
                }
                Err(problem) => self.silence(problem),
            }
        }
        if let Some(output) = &mut self.output {
            if let Some(resampler) = &mut output.resampler {
                resampler.reset();
            }
            let heard = &self.heard;
            heard.frames.store(0, Ordering::Release);
            heard.last_take.store(0, Ordering::Release);
            heard.first.store(first, Ordering::Release);
            heard.looped.store(looped, Ordering::Release);
            heard.source_rate.store(u64::from(sample_rate), Ordering::Release);
            heard.device_rate.store(u64::from(output.device_rate), Ordering::Release);
            heard.number.store(number, Ordering::Release);
        }
    }

    /// Drops what waits in the ring.
    fn discard(&mut self) {
        if let Some(output) = &self.output {
            output.shared.discard_to.store(output.pushed, Ordering::Release);
        }
    }

    /// Moves samples from the source into the ring, as far as there is room.
    fn fill(&mut self) {
        let Some(output) = &mut self.output else { return };
        // A looped range is cut to the ring's room, so that it does not fill it for ever.
        while output.ring.slots() > BUFFER_FRAMES as usize {
            let room = output.ring.slots() / 2;
            let samples: Vec<f32> = match &mut self.source {
                Source::Nothing => return,
                Source::Range { waveform, range, next, loops } => {
                    if *next >= range.end && *loops == Loops::Forever && range.start < range.end {
                        *next = range.start;
                    }
                    let end = (*next + room).min(range.end);
                    let samples = waveform.samples[*next..end].to_vec();
                    *next = end;
                    samples
                }
                Source::Stream { waiting, .. } => {
                    let n = room.min(waiting.len());
                    waiting.drain(..n).collect()
                }
            };
            if samples.is_empty() {
                if self.source.is_over() {
                    output.flush();
                }
                return;
            }
            output.push(&samples);
        }
    }

    /// Sees whether the sound has ended or the device is gone.
    fn look(&mut self) {
        let Some(output) = &self.output else { return };
        if let Some(broken) = output.broken() {
            return self.silence(broken);
        }
        let popped = output.shared.popped.load(Ordering::Acquire);
        let drained = popped >= output.pushed;
        let playing = !matches!(self.source, Source::Nothing);
        if !(drained && self.source.is_over()) {
            self.quiet_since = Instant::now();
            return;
        }
        let buffer = Duration::from_secs_f64(
            f64::from(BUFFER_FRAMES) / f64::from(output.device_rate.max(1)),
        );
        if playing && self.quiet_since.elapsed() >= buffer * TAIL_BUFFERS {
            self.source = Source::Nothing;
            self.heard.end(self.number);
            (self.waker)();
        }
        if self.quiet_since.elapsed() >= LINGER {
            self.output = None;
        }
    }

    /// There is no sound: says why.
    fn silence(&mut self, problem: String) {
        tracing::warn!("{problem}");
        self.output = None;
        self.source = Source::Nothing;
        self.heard.set_problem(problem);
        self.heard.end(self.number);
        (self.waker)();
    }
}

impl Source {
    /// Whether no more samples will come.
    fn is_over(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Range { range, next, loops, .. } => {
                *next >= range.end && (*loops == Loops::Once || range.start >= range.end)
            }
            Self::Stream { waiting, ended } => *ended && waiting.is_empty(),
        }
    }
}

impl Output {
    /// Opens a device, at the source's own rate if it takes it.
    fn open(device: &str, source_rate: u32, heard: &Arc<Heard>) -> Result<Self, String> {
        let device = find(device)?;
        let preferred = device.default_output_config().map_err(|error| no_sound(&error))?;
        let channels = preferred.channels();
        let mut tried = None;
        // Sound servers convert better than we do, so the source's rate comes first.
        for device_rate in [source_rate, preferred.sample_rate()] {
            for buffer_size in [BufferSize::Fixed(BUFFER_FRAMES), BufferSize::Default] {
                let config = StreamConfig { channels, sample_rate: device_rate, buffer_size };
                match Self::build(&device, config, source_rate, heard) {
                    Ok(output) => return Ok(output),
                    Err(error) => tried = Some(error),
                }
            }
        }
        let reason = tried.map_or_else(|| "no configuration".to_owned(), |error| error.clone());
        Err(no_sound(&format!("{reason}; its own format is {}", preferred.sample_format())))
    }

    fn build(
        device: &cpal::Device,
        config: StreamConfig,
        source_rate: u32,
        heard: &Arc<Heard>,
    ) -> Result<Self, String> {
        let (ring, mut taken) = RingBuffer::new(RING_FRAMES);
        let shared = Arc::new(Shared::default());
        let (told, failed) = (Arc::clone(&shared), Arc::clone(&shared));
        let heard = Arc::clone(heard);
        let channels = usize::from(config.channels.max(1));
        let resampler = (config.sample_rate != source_rate)
            .then(|| StreamResampler::new(source_rate, config.sample_rate))
            .transpose()?;
        let stream = device
            .build_output_stream::<f32, _, _>(
                config,
                move |out: &mut [f32], _| take(&mut taken, out, channels, &told, &heard),
                move |error| {
                    if is_fatal(&error)
                        && let Ok(mut broken) = failed.broken.try_lock()
                    {
                        *broken = Some(no_sound(&error));
                    }
                },
                None,
            )
            .map_err(|error| error.to_string())?;
        stream.play().map_err(|error| error.to_string())?;
        let device_rate = config.sample_rate;
        Ok(Self { ring, shared, pushed: 0, source_rate, device_rate, resampler, _stream: stream })
    }

    /// Puts samples into the ring; there is room for them.
    fn push(&mut self, samples: &[f32]) {
        match &mut self.resampler {
            None => self.put(samples.to_vec()),
            Some(resampler) => {
                let resampled = resampler.push(samples);
                self.put(resampled);
            }
        }
    }

    /// Puts what the resampler still holds into the ring.
    fn flush(&mut self) {
        if let Some(resampler) = &mut self.resampler {
            let rest = resampler.flush();
            self.put(rest);
        }
    }

    fn put(&mut self, samples: Vec<f32>) {
        for sample in samples {
            if self.ring.push(sample).is_err() {
                // Only a much higher device rate could overfill it; rather a gap than a wait.
                return;
            }
            self.pushed += 1;
        }
    }

    fn broken(&self) -> Option<String> {
        self.shared.broken.try_lock().ok().and_then(|mut broken| broken.take())
    }
}

/// The device's callback: from the ring into every channel, silence where there is nothing.
fn take(
    ring: &mut Consumer<f32>,
    out: &mut [f32],
    channels: usize,
    shared: &Shared,
    heard: &Heard,
) {
    let mut popped = shared.popped.load(Ordering::Relaxed);
    let discard_to = shared.discard_to.load(Ordering::Acquire);
    while popped < discard_to && ring.pop().is_ok() {
        popped += 1;
    }
    let mut taken = 0;
    for frame in out.chunks_mut(channels) {
        let sample = ring.pop().ok();
        taken += u64::from(sample.is_some());
        frame.fill(sample.unwrap_or(0.0));
    }
    shared.popped.store(popped + taken, Ordering::Release);
    if taken > 0 {
        heard.taken_at.store(heard.now(), Ordering::Release);
        heard.last_take.store(taken, Ordering::Release);
        heard.frames.fetch_add(taken, Ordering::AcqRel);
    }
}

/// Whether the stream is over; a torn buffer is not.
fn is_fatal(error: &cpal::Error) -> bool {
    use cpal::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::DeviceNotAvailable | Kind::HostUnavailable | Kind::StreamInvalidated
    )
}

/// The device of that id; the system's default for an empty one.
fn find(id: &str) -> Result<cpal::Device, String> {
    if id.is_empty() {
        return cpal::default_host()
            .default_output_device()
            .ok_or_else(|| no_sound(&"the system has no output device"));
    }
    let parsed: cpal::DeviceId =
        id.parse().map_err(|_| no_sound(&format!("{id:?} is no device id")))?;
    let host = cpal::host_from_id(parsed.host()).map_err(|error| no_sound(&error))?;
    host.device_by_id(&parsed).ok_or_else(|| no_sound(&format!("{id} is not there")))
}

fn no_sound(why: &dyn std::fmt::Display) -> String {
    format!(
        "no sound can be played ({why}); connect an output or choose another in Settings, \
         speech can still be seen and saved"
    )
}
