//! Golden tests of voices and vocoders that came after FastSpeech 2 and HiFi-GAN.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use formant::{
    nn::{Features, Stepper},
    tts::{
        acoustic::{
            matcha::{self, Encoded, Flow, Rounding, StochasticDurations},
            no_dropout, tacotron, tacotron2,
        },
        vocoder::WaveNetNetwork,
    },
};

use crate::fixture::{Fixture, TOLERANCE, assert_close, fixtures};

#[test]
fn golden_matcha() {
    for fixture in fixtures("matcha") {
        let heads = |path: &str| {
            let count = fixture.config.pointer(path).and_then(serde_json::Value::as_u64);
            count.unwrap_or(2) as usize
        };
        let heads = matcha::Heads {
            encoder: heads("/encoder/encoder_params/n_heads"),
            decoder: heads("/decoder/num_heads"),
        };
        let weights = fixture.weights();
        let network = matcha::Network::load(&weights.scope(""), heads).unwrap();
        for tag in fixture.tags(".x_lengths") {
            for (item, n_symbols) in
                fixture.ids(&format!("{tag}.x_lengths")).into_iter().enumerate()
            {
                check_matcha(&fixture, &network, &tag, item, n_symbols as usize);
            }
        }
    }
}

/// One utterance of a batch, which is padded to the longest one.
fn check_matcha(
    fixture: &Fixture,
    network: &matcha::Network,
    tag: &str,
    item: usize,
    n_symbols: usize,
) {
    let name = |what: &str| format!("{tag}.{what}");
    let part = |what: &str| item_of(fixture, &name(what), item);
    let check = |what: &str, got: &Features| {
        let columns: Vec<usize> = (0..got.len).collect();
        let want = part(what).select(&columns);
        let label = format!("{} item {item} of {}", name(what), fixture.folder.display());
        assert_close(&label, &got.values, &want.values, TOLERANCE);
    };
    let ids = &fixture.ids(&name("x"));
    let per_item = ids.len() / fixture.tensor(&name("x")).dim(0).unwrap();
    let encoded = network.encode(&ids[item * per_item..][..n_symbols]);
    check("mu_x", &encoded.mu);
    let log_durations = log_durations(network, &encoded);
    let row = Features { n_channels: 1, len: n_symbols, values: log_durations.clone() };
    check("logw", &row);

    let settings = fixture.values(&name("n_timesteps_temp_scale"));
    let frames = matcha::Network::frames(&log_durations, Rounding::Ceil, settings[2]);
    let n_frames: u32 = frames.iter().sum();
    assert_eq!(n_frames, fixture.ids(&name("y_lengths"))[item], "{tag} item {item}");

    // In a batch all are padded to the same length, which is heard.
    let padded = part("noise").len;
    let mut mu = network.spread(&encoded.mu, &frames);
    let columns: Vec<f32> = mu.to_columns();
    mu = Features::from_columns(
        &[columns.as_slice(), &vec![0.0; (padded - mu.len) * mu.n_channels]].concat(),
        mu.n_channels,
    );
    check("mu_y", &mu);
    let n_frames = n_frames as usize;
    if fixture.has(&name("est_t0.3")) {
        let mut x = part("noise");
        x.map(|value| value * settings[1]);
        let mut tap = |what: &str, got: &Features| {
            let recorded = name(&format!("est.{what}"));
            if fixture.has(&recorded) {
                // Transformers are recorded frame after frame.
                let is_turned = what.ends_with("_transformer");
                let got = if is_turned { got.to_columns() } else { got.values.clone() };
                fixture.check(&recorded, &got);
            }
        };
        let direction = network.decoder().forward(&x, &mu, n_frames, 0.3, &mut tap);
        check("est_t0.3", &direction);
    }
    let flow = Flow { n_steps: settings[0] as usize, temperature: settings[1] };
    let mel = flow
        .follow(&part("noise"), |x, time| {
            Ok::<_, ()>(network.decoder().forward(x, &mu, n_frames, time, &mut |_, _| ()))
        })
        .unwrap();
    let columns: Vec<usize> = (0..n_frames).collect();
    let mel = mel.select(&columns);
    check("decoder_outputs", &mel);
    let weights = fixture.weights();
    let statistic = |name: &str| weights.scope("").array(name).unwrap().values[0];
    let (mean, std) = (statistic("mel_mean"), statistic("mel_std"));
    let mut mel = mel;
    mel.map(|value| value * std + mean);
    check("mel", &mel);
}

fn log_durations(network: &matcha::Network, encoded: &Encoded) -> Vec<f32> {
    match network.durations() {
        matcha::Durations::Deterministic(predictor) => predictor.forward(&encoded.hidden),
        matcha::Durations::Stochastic(_) => panic!("the recorded voices predict durations"),
    }
}

/// One item of `(batch, channels, len)`.
fn item_of(fixture: &Fixture, name: &str, item: usize) -> Features {
    let (values, dims) = (fixture.values(name), fixture.tensor(name).dims().to_vec());
    let [batch, n_channels, len] = dims[..] else { panic!("{name} is {dims:?}") };
    let each = values.len() / batch;
    Features { values: values[item * each..(item + 1) * each].to_vec(), n_channels, len }
}

#[test]
fn golden_sdp() {
    for fixture in fixtures("sdp") {
        let weights = fixture.weights();
        let width = fixture.count("in_channels").unwrap();
        let durations = StochasticDurations::load(&weights.scope(""), width).unwrap();
        for name in fixture.io.keys().filter(|name| name.starts_with("logw_noise")) {
            let scale: f32 =
                name.trim_start_matches("logw_noise").replace('_', ".").parse().unwrap();
            for item in 0..fixture.tensor("x").dim(0).unwrap() {
                let mask = item_of(&fixture, "x_mask", item);
                let n_symbols = mask.values.iter().filter(|&&value| value > 0.0).count();
                let columns: Vec<usize> = (0..n_symbols).collect();
                let x = item_of(&fixture, "x", item).select(&columns);
                let mut noise = item_of(&fixture, "z", item).select(&columns);
                noise.map(|value| value * scale);
                let want = item_of(&fixture, name, item).select(&columns);
                let label = format!("{name} item {item} of {}", fixture.folder.display());
                assert_close(&label, &durations.forward(&x, &noise), &want.values, TOLERANCE);
            }
        }
    }
}

#[test]
fn golden_tacotron2() {
    for fixture in fixtures("tacotron2") {
        let weights = fixture.weights();
        let network = tacotron2::Network::load(&weights.scope("")).unwrap();
        for tag in fixture.tags(".mel_lengths") {
            check_tacotron2(&fixture, &network, &tag);
        }
        if fixture.has("tf.target_mel") {
            check_taught_tacotron2(&fixture, &network);
        }
    }
}

/// Until the gate opens, or as long as the recording.
fn check_tacotron2(fixture: &Fixture, network: &tacotron2::Network, tag: &str) {
    let name = |what: &str| format!("{tag}.{what}");
    let stepper = &mut Stepper::default();
    let ids = fixture.ids(&name("ids"));
    let encoded = network.encoder.forward(stepper, &ids);
    fixture.check(&name("encoder_out"), &encoded.to_columns());
    let n_mels = network.n_mels();
    let n_steps = fixture.values(&name("gate_logits")).len();
    let threshold = fixture.number("gate_threshold").unwrap_or(0.5);
    let mut utterance = network.decoder.begin(encoded);
    let (mut mel, mut gates, mut alignments) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..n_steps {
        let mut masks = |layer: usize, values: &mut [f32]| {
            if tag == "nodropout" {
                no_dropout(layer, values);
            } else {
                recorded_dropout(fixture, step, layer, values);
            }
        };
        let gate = network.decoder.step(stepper, &mut utterance, &(0..ids.len()), &mut masks);
        mel.extend_from_slice(&utterance.frames);
        alignments.extend_from_slice(utterance.weights());
        gates.push(gate);
        let has_ended = 1.0 / (1.0 + (-gate).exp()) > threshold;
        // The last step of the recording may also be the most that were allowed.
        assert!(!has_ended || step + 1 == n_steps, "{tag} ended at step {step}");
    }
    fixture.check(&name("gate_logits"), &gates);
    fixture.check(&name("alignments"), &alignments);
    fixture.check_rows(&name("mel_pre"), &mel, n_mels);
    let after = network.postnet.forward(&Features::from_columns(&mel, n_mels));
    fixture.check(&name("mel_post"), &after.values);
    // In pieces, each of which hears as far as the post-net does.
    let n_frames = mel.len() / n_mels;
    for step in [1, 7, 16] {
        let pieces: Vec<f32> = (0..n_frames)
            .step_by(step)
            .flat_map(|start| {
                let wanted = start..(start + step).min(n_frames);
                network.postnet.stretch(&mel, n_mels, wanted)
            })
            .collect();
        fixture.check_rows(&name("mel_post"), &pieces, n_mels);
    }
}

/// Each step hears the recorded frame instead of its own.
fn check_taught_tacotron2(fixture: &Fixture, network: &tacotron2::Network) {
    let stepper = &mut Stepper::default();
    let ids = if fixture.has("tf.ids") { "tf.ids" } else { "dropout.ids" };
    let ids = fixture.ids(ids);
    let encoded = network.encoder.forward(stepper, &ids);
    let target = fixture.columns("tf.target_mel");
    let mut utterance = network.decoder.begin(encoded);
    let (mut mel, mut gates, mut alignments) = (Vec::new(), Vec::new(), Vec::new());
    for (step, frames) in target.chunks_exact(network.decoder.n_out()).enumerate() {
        let mut masks = |layer: usize, values: &mut [f32]| {
            recorded_dropout(fixture, step, layer, values);
        };
        gates.push(network.decoder.step(stepper, &mut utterance, &(0..ids.len()), &mut masks));
        mel.extend_from_slice(&utterance.frames);
        alignments.extend_from_slice(utterance.weights());
        utterance.frames = frames.to_vec();
    }
    fixture.check("tf.gate_logits", &gates);
    fixture.check("tf.alignments", &alignments);
    fixture.check_rows("tf.mel_pre", &mel, network.n_mels());
    let after = network.postnet.forward(&Features::from_columns(&mel, network.n_mels()));
    fixture.check("tf.mel_post", &after.values);
}

/// What the recording multiplied the pre-net's units with, `(step, layer, unit)`.
fn recorded_dropout(fixture: &Fixture, step: usize, layer: usize, values: &mut [f32]) {
    let dims = fixture.tensor("prenet_masks").dims().to_vec();
    let [_, n_layers, width] = dims[..] else { panic!("prenet_masks is {dims:?}") };
    let masks = fixture.values("prenet_masks");
    for (value, mask) in values.iter_mut().zip(&masks[(step * n_layers + layer) * width..]) {
        *value *= mask;
    }
}

#[test]
fn golden_tacotron1() {
    for fixture in fixtures("tacotron1") {
        let weights = fixture.weights();
        let network = tacotron::Network::load(&weights.scope("")).unwrap();
        for tag in fixture.tags(".alignments") {
            let name = |what: &str| format!("{tag}.{what}");
            let stepper = &mut Stepper::default();
            let ids = fixture.ids("ids");
            let encoded = network.encode(stepper, &ids);
            fixture.check(&name("enc_cbhg"), &encoded.to_columns());
            let n_steps = fixture.values(&name("alignments")).len() / ids.len();
            let mut utterance = network.decoder.begin(encoded);
            let (mut mel, mut alignments) = (Vec::new(), Vec::new());
            for step in 0..n_steps {
                let mut masks = |layer: usize, values: &mut [f32]| {
                    if tag == "nodropout" {
                        no_dropout(layer, values);
                    } else {
                        recorded_dropout(&fixture, step, layer, values);
                    }
                };
                network.decoder.step(stepper, &mut utterance, &(0..ids.len()), &mut masks);
                mel.extend_from_slice(&utterance.frames);
                alignments.extend_from_slice(&utterance.weights);
            }
            fixture.check(&name("alignments"), &alignments);
            fixture.check(&name("mel"), &mel);
            let mel = Features::from_columns(&mel, network.n_mels());
            let heard = network.postnet(stepper, &mel);
            fixture.check(&name("linear"), &network.linear(&heard).to_columns());
        }
    }
}

#[test]
fn golden_wavenet() {
    for fixture in fixtures("wavenet") {
        let weights = fixture.weights();
        let n_stacks = fixture.count("stacks").unwrap();
        let network = WaveNetNetwork::load(&weights.scope(""), n_stacks).unwrap();
        let stepper = &mut Stepper::default();
        let upsampled = network.upsample(&fixture.features("c"));
        fixture.check("c_upsampled", &upsampled.values);
        let conditions = network.conditions(&upsampled);
        let n_conditions = conditions.n_channels;
        let conditions = conditions.to_columns();

        let mut past = network.begin();
        let mut said = Vec::new();
        for (&sample, conditions) in
            fixture.values("x_teacher").iter().zip(conditions.chunks_exact(n_conditions))
        {
            said.extend(network.step(stepper, &mut past, sample, conditions));
        }
        let n_params = fixture.count("out_channels").unwrap();
        fixture.check_rows("y_teacher", &said, n_params);

        let (which, places) = (fixture.values("u_mixture"), fixture.values("u_logistic"));
        let mut past = network.begin();
        let (mut sample, mut samples) = (0.0, Vec::new());
        let draws = which.chunks_exact(n_params / 3).zip(places);
        for ((which, place), conditions) in draws.zip(conditions.chunks_exact(n_conditions)) {
            let params = network.step(stepper, &mut past, sample, conditions);
            sample = WaveNetNetwork::draw(&params, 1.0, which, place);
            samples.push(sample);
        }
        fixture.check("wav_sampled", &samples);
    }
}
