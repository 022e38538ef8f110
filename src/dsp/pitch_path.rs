//! Which of the periods that a voice might have it has: the cheapest way through all frames.
//!
//! Source: "Accurate short-term analysis of the fundamental frequency…", Boersma 1993, step of the
//! path finder: a cost for each candidate, for each jump between them and for each change between
//! voiced and unvoiced, and the Viterbi algorithm. A frame is so judged by its neighbours on both
//! sides: at the edges of a voiced stretch, where a frame alone may as well mean half or twice the
//! pitch, they tell.

/// Cost of a frame without pitch; a candidate above it is rather noise.
const UNVOICED: f32 = 0.48;
/// Cost of a jump by one octave from one frame to the next.
const OCTAVE_JUMP: f32 = 0.9;
/// Cost of the change from voiced to unvoiced, or back.
const CHANGE: f32 = 0.3;
/// The step between two frames for which the costs hold, in seconds; longer steps jump further.
const STEP_SECS: f32 = 0.01;

/// A pitch that a frame might have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    /// In Hz.
    pub(super) f0_hz: f32,
    /// How badly the frame repeats itself at that pitch: near zero at a period, one at chance.
    pub(super) cost: f32,
}

/// The likeliest pitch of each frame in Hz, zero where it has none, of frames `step_secs` apart.
/// A frame without candidates is silent.
pub(super) fn likeliest_path(frames: &[Vec<Candidate>], step_secs: f32) -> Vec<f32> {
    let scale = STEP_SECS / step_secs.max(f32::EPSILON);
    let change = |from: f32, to: f32| match (from > 0.0, to > 0.0) {
        (false, false) => 0.0,
        (true, true) => scale * OCTAVE_JUMP * (to / from).log2().abs(),
        _ => scale * CHANGE,
    };
    // Where the cheapest way to each state came from. The first state of a frame is "no pitch".
    let mut came_from: Vec<Vec<usize>> = Vec::with_capacity(frames.len());
    let mut before: Vec<(f32, f32)> = vec![(0.0, 0.0)];
    for candidates in frames {
        let unvoiced = if candidates.is_empty() { 0.0 } else { UNVOICED };
        let states = std::iter::once((0.0, unvoiced))
            .chain(candidates.iter().map(|candidate| (candidate.f0_hz, candidate.cost)));
        let (now, origins) = states
            .map(|(f0_hz, cost)| {
                let ways = before.iter().map(|(from_hz, sum)| sum + change(*from_hz, f0_hz));
                let cheapest = ways.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
                let (origin, sum) = cheapest.unwrap_or_default();
                ((f0_hz, sum + cost), origin)
            })
            .unzip();
        before = now;
        came_from.push(origins);
    }
    let last = before.iter().enumerate().min_by(|(_, a), (_, b)| a.1.total_cmp(&b.1));
    let mut state = last.map_or(0, |(state, _)| state);
    let mut path = vec![0.0; frames.len()];
    for (frame_idx, origins) in came_from.iter().enumerate().rev() {
        if state > 0 {
            path[frame_idx] = frames[frame_idx][state - 1].f0_hz;
        }
        state = origins[state];
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(candidates: &[(f32, f32)]) -> Vec<Candidate> {
        candidates.iter().map(|&(f0_hz, cost)| Candidate { f0_hz, cost }).collect()
    }

    #[track_caller]
    fn check(frames: &[Vec<Candidate>], expected: &[f32]) {
        assert_eq!(likeliest_path(frames, STEP_SECS), expected);
    }

    #[test]
    fn neighbours_decide_between_octaves() {
        let sure = frame(&[(100.0, 0.05), (200.0, 0.6)]);
        let doubtful = frame(&[(200.0, 0.2), (100.0, 0.3)]);
        let mut frames = vec![doubtful.clone(), doubtful.clone()];
        frames.extend(vec![sure; 6]);
        frames.extend([doubtful.clone(), doubtful]);
        check(&frames, &[100.0; 10]);
    }

    #[test]
    fn an_edge_that_fits_no_neighbour_has_no_pitch() {
        let mut frames = vec![frame(&[(100.0, 0.05)]); 6];
        frames.extend(vec![frame(&[(200.0, 0.3)]); 2]);
        check(&frames, &[100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 0.0, 0.0]);
    }

    #[test]
    fn a_new_stretch_may_begin_an_octave_higher() {
        let mut frames = vec![frame(&[(100.0, 0.1)]); 8];
        frames.extend(vec![Vec::new(); 2]);
        frames.extend(vec![frame(&[(200.0, 0.1)]); 8]);
        let path = likeliest_path(&frames, STEP_SECS);
        assert_eq!((path[7], path[8], path[9], path[10]), (100.0, 0.0, 0.0, 200.0));
    }

    /// What a path costs.
    fn cost_of(frames: &[Vec<Candidate>], states: &[usize]) -> f32 {
        let mut from = 0.0;
        let mut sum = 0.0;
        for (candidates, &state) in frames.iter().zip(states) {
            let (to, cost) = match state.checked_sub(1) {
                Some(index) => (candidates[index].f0_hz, candidates[index].cost),
                None => (0.0, if candidates.is_empty() { 0.0 } else { UNVOICED }),
            };
            sum += cost;
            sum += match (from > 0.0, to > 0.0) {
                (false, false) => 0.0,
                (true, true) => OCTAVE_JUMP * f32::abs(f32::log2(to / from)),
                _ => CHANGE,
            };
            from = to;
        }
        sum
    }

    proptest! {
        #[test]
        fn no_other_path_is_cheaper(
            frames in prop::collection::vec(
                prop::collection::vec((60.0_f32..500.0, 0.0_f32..0.8), 0..3),
                1..6,
            )
        ) {
            let frames: Vec<_> = frames.iter().map(|candidates| frame(candidates)).collect();
            let states_of = |path: &[f32]| -> Vec<usize> {
                path.iter()
                    .zip(&frames)
                    .map(|(f0, candidates)| {
                        candidates.iter().position(|c| c.f0_hz == *f0).map_or(0, |index| index + 1)
                    })
                    .collect()
            };
            let found = cost_of(&frames, &states_of(&likeliest_path(&frames, STEP_SECS)));
            // Every path there is, counted through.
            let n_paths: usize = frames.iter().map(|candidates| candidates.len() + 1).product();
            for mut number in 0..n_paths {
                let mut states = Vec::new();
                for candidates in &frames {
                    states.push(number % (candidates.len() + 1));
                    number /= candidates.len() + 1;
                }
                prop_assert!(found <= cost_of(&frames, &states) + 1e-4);
            }
        }
    }
}
