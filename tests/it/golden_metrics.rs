//! Golden tests of figures: against pystoi, pesq, librosa, pyworld's tracks, the ONNX runtime and torch.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use formant::{
    domain::{Attention, AttentionDiagnosis},
    dsp::time_warping_path,
    metrics::{
        Bandwidth, Dnsmos, f0_distance, mel_cepstrum, mel_decibels, mel_distance, pesq, stoi,
        whisper::{Network, Said, log_mel},
    },
    nn::{Stepper, Weights},
};

use crate::fixture::{Fixture, assert_close, fixtures};

/// Frame after frame, of a recording whose rows are values.
fn frames(fixture: &Fixture, name: &str) -> Vec<f32> {
    fixture.features(name).to_columns()
}

#[test]
fn golden_distances() {
    for fixture in fixtures("metrics") {
        let (reference, degraded) = (fixture.values("ref"), fixture.values("deg"));
        let rate = fixture.count("sr").unwrap() as u32;
        let decibels = mel_decibels(&reference, rate);
        assert_close("mel_db_ref", &decibels, &frames(&fixture, "mel_db_ref"), 2e-3);
        let cepstra = [&reference, &degraded].map(|samples| mel_cepstrum(samples, rate));
        let recorded = ["ref", "deg"].map(|of| frames(&fixture, &format!("mcd_features_{of}")));
        assert_close("mcd_features_ref", &cepstra[0], &recorded[0], 1e-3);
        assert_close("mcd_features_deg", &cepstra[1], &recorded[1], 1e-3);
        let n_frames = recorded[1].len() / 13;
        let path = time_warping_path(&recorded[0], &recorded[1], 13, |_| 0..n_frames);
        let path: Vec<f32> = path.iter().flat_map(|&(i, j)| [i as f32, j as f32]).collect();
        fixture.check("mcd_path", &path);
        let far = mel_distance(&reference, &degraded, rate).unwrap();
        fixture.check_within("mel_l1_db", &[far.l1_db as f32], 1e-3);
        fixture.check_within("mcd_dtw_db", &[far.mcd_db as f32], 1e-3);
    }
}

#[test]
fn golden_pitch_distance() {
    for fixture in fixtures("metrics") {
        let (reference, degraded) = (fixture.values("f0_ref"), fixture.values("f0_deg"));
        let pairs: Vec<_> = (0..reference.len()).map(|at| (at, at)).collect();
        let far = f0_distance(&reference, &degraded, &pairs);
        fixture.check("f0_rmse_hz", &[far.rmse_hz as f32]);
        fixture.check("f0_rmse_cents", &[far.rmse_cents as f32]);
        fixture.check("vuv_error", &[far.voicing_error as f32]);
    }
}

#[test]
fn golden_intelligibility() {
    for fixture in fixtures("metrics") {
        let (reference, degraded) = (fixture.values("ref"), fixture.values("deg"));
        let rate = fixture.count("sr").unwrap() as u32;
        let through = stoi(&reference, &degraded, rate).unwrap();
        fixture.check("stoi", &[through.stoi as f32]);
        fixture.check("estoi", &[through.estoi as f32]);
    }
}

/// The scores are those of the Python package `pesq` 0.0.4 on the same samples.
#[test]
fn golden_quality() {
    for fixture in fixtures("metrics") {
        let (reference, degraded) = (fixture.values("ref"), fixture.values("deg"));
        let rate = fixture.count("sr").unwrap() as u32;
        for (bandwidth, oracle) in [(Bandwidth::Wide, 1.214_701), (Bandwidth::Narrow, 1.590_9)] {
            let ours = pesq(&reference, &degraded, rate, bandwidth).unwrap();
            assert!((ours - oracle).abs() < 1e-3, "{bandwidth:?}: {ours}, not {oracle}");
        }
    }
}

#[test]
fn golden_attention_diagnosis() {
    for fixture in fixtures("metrics") {
        let diagnose = |name: &str| {
            let n_phonemes = *fixture.tensor(name).dims().last().unwrap();
            let attention =
                Attention { weights: fixture.values(name), n_phonemes, frames_per_step: 1 };
            let diagnosis = AttentionDiagnosis::of(&attention, &vec![true; n_phonemes], 0.1);
            fixture.check(&format!("{name}.focus_rate"), &[diagnosis.focus_rate]);
            fixture.check(&format!("{name}.diagonal_rate_b2"), &[diagnosis.diagonal_rate]);
            fixture.check(&format!("{name}.coverage_colmax_min"), &[diagnosis.coverage]);
            diagnosis
        };
        assert_eq!(diagnose("att_good").faults(), None);
        let stuck = diagnose("att_stuck");
        assert_eq!(stuck.early_stop, Some(3));
        assert_eq!(stuck.faults().as_deref(), Some("skips, stops early"));
    }
}

#[test]
fn golden_dnsmos() {
    for fixture in fixtures("dnsmos") {
        let dnsmos = Dnsmos::load().unwrap();
        let wave = fixture.values("wav");
        fixture.check("raw_sig_bak_ovr", &dnsmos.raw(&wave));
        let score = dnsmos.score(&wave, 16_000, || Ok::<_, ()>(())).unwrap();
        let scores = [score.signal, score.background, score.overall].map(|score| score as f32);
        fixture.check("mos_sig_bak_ovr", &scores);
    }
}

#[test]
fn golden_whisper() {
    for fixture in fixtures("whisper") {
        let weights = Weights::read_ctranslate2(&fixture.folder.join("model.bin")).unwrap();
        let network = Network::load(&weights).unwrap();
        assert_eq!(network.n_text_ctx(), fixture.count("n_text_ctx").unwrap());
        let mel = log_mel(&fixture.values("wave"));
        let columns: Vec<usize> = (0..200).collect();
        fixture.check_within("mel_first200", &mel.select(&columns).values, 1e-3);
        let encoded = network.encode(&mel, || Ok::<_, ()>(())).unwrap();
        let columns: Vec<usize> = (0..encoded.len).step_by(75).collect();
        let recorded = frames_of_rows(&fixture, "encoded_every75", encoded.n_channels);
        assert_close("encoded", &encoded.select(&columns).to_columns(), &recorded, 1e-3);
        let memory = network.remember(&encoded);
        let (mut stepper, mut said) = (Stepper::default(), Said::default());
        let mut scores = Vec::new();
        for token in fixture.ids("tokens") {
            scores.extend(network.step(&mut stepper, &memory, &mut said, token as usize));
        }
        fixture.check_within("scores", &scores, 1e-3);
    }
}

/// A recording whose rows are places already.
fn frames_of_rows(fixture: &Fixture, name: &str, n_channels: usize) -> Vec<f32> {
    assert_eq!(*fixture.tensor(name).dims().last().unwrap(), n_channels);
    fixture.values(name)
}
