//! Trains a small convolutional network to tell basal, middle and apical slices of the heart apart,
//! on synthetic data. Shows how to write a network of your own from the layers of `cine-nn`.
//!
//! ```text
//! cargo run --release --example classify_phantom
//! ```

use std::env;
use std::error::Error;
use std::process;

use data::{CardiacPhase, PhantomCohort, PhantomSettings, Subject};
use kernels::pool::global_average;
use kernels::{affine, log, mul, softmax, sum};
use nn::{Block, Init, Linear, Mode, Rates, Sgd, SgdSettings, checkpoint, schedule};
use tensor::random::{Purpose, Stream};
use tensor::{DType, Result, Tensor, no_grad};

const SEED: u64 = 1;
/// Subjects to train on, and others to test on.
const SUBJECTS: [usize; 2] = [160, 32];
/// Slices per subject. A third of them belongs to each class.
const SLICES: usize = 9;
/// Basal, middle and apical.
const CLASSES: usize = 3;
/// Rows and columns of the phantom's slices, and of the images after averaging 2 x 2 pixels.
const MATRIX: usize = 96;
const SIZE: usize = MATRIX / 2;
const BATCH: usize = 16;
const EPOCHS: usize = 14;
const LEARNING_RATE: f64 = 0.02;
/// The share of test slices that a trained network classifies correctly, at least. Chance is 1/3.
const ACCURACY: f64 = 0.75;

/// Two blocks of convolutions, each halving the resolution, then one score per class.
struct Classifier {
    blocks: Vec<Block>,
    output: Linear,
}

// Makes the struct a module: optimisers and checkpoints find its parameters through these fields.
nn::module!(Classifier { blocks, output });

impl Classifier {
    fn new(init: &mut Init) -> Result<Self> {
        Ok(Classifier {
            blocks: vec![Block::new(init, 1, 8, 2)?, Block::new(init, 8, 16, 2)?],
            output: Linear::new(init, 16, CLASSES)?,
        })
    }

    /// Images `[n, SIZE, SIZE, 1]` to scores `[n, CLASSES]`.
    fn forward(&mut self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut features = images.clone();
        for block in &mut self.blocks {
            features = block.forward(&[&features], mode)?;
        }
        self.output.forward(&global_average(&features)?)
    }
}

/// Mean cross-entropy of scores `[n, CLASSES]`. `classes` has a 1 in each row, at the true class.
fn cross_entropy(scores: &Tensor, classes: &Tensor) -> Result<Tensor> {
    // The offset keeps the logarithm finite where a probability rounds to 0.
    let log_probabilities = log(&affine(&softmax(scores)?, 1.0, 1e-7)?)?;
    let total = sum(&mul(&log_probabilities, classes)?)?;
    affine(&total, -1.0 / scores.shape().dims()[0] as f64, 0.0)
}

/// One slice.
struct Sample {
    /// `SIZE * SIZE` intensities of mean 0 and variance 1.
    pixels: Vec<f32>,
    class: usize,
}

/// The slices of a subject at end-diastole and end-systole. Stacks run from base to apex.
fn samples(subject: &Subject) -> Vec<Sample> {
    let labelled = subject.frames.iter().filter(|f| f.cardiac_phase != CardiacPhase::Other);
    let slices = labelled.flat_map(|frame| (0..SLICES).map(move |slice| (frame.phase, slice)));
    slices
        .map(|(phase, slice)| Sample {
            pixels: shrink(subject.stack.slice(phase, slice)),
            class: slice * CLASSES / SLICES,
        })
        .collect()
}

/// Averages 2 x 2 pixels and standardises the result.
fn shrink(pixels: &[f32]) -> Vec<f32> {
    let at = |row: usize, column: usize| pixels[row * MATRIX + column];
    let square = |r: usize, c: usize| at(r, c) + at(r, c + 1) + at(r + 1, c) + at(r + 1, c + 1);
    let small: Vec<f32> =
        (0..SIZE * SIZE).map(|i| square(i / SIZE * 2, i % SIZE * 2) / 4.0).collect();
    let count = small.len() as f32;
    let mean = small.iter().sum::<f32>() / count;
    let variance = small.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count;
    small.iter().map(|v| (v - mean) / variance.sqrt().max(1e-6)).collect()
}

/// Images `[n, SIZE, SIZE, 1]`, and their classes as the rows of `[n, CLASSES]`.
fn batch(samples: &[&Sample]) -> Result<(Tensor, Tensor)> {
    let pixels: Vec<f32> = samples.iter().flat_map(|s| s.pixels.iter().copied()).collect();
    let one_hot = |s: &&Sample| (0..CLASSES).map(|c| f32::from(c == s.class)).collect::<Vec<_>>();
    let classes: Vec<f32> = samples.iter().flat_map(one_hot).collect();
    let images = Tensor::from_slice(&pixels, [samples.len(), SIZE, SIZE, 1])?;
    Ok((images, Tensor::from_slice(&classes, [samples.len(), CLASSES])?))
}

/// The share of samples whose highest score is that of their class.
fn accuracy(network: &mut Classifier, samples: &[Sample]) -> Result<f64> {
    let mut correct = 0;
    for chunk in samples.chunks(BATCH) {
        let (images, _) = batch(&chunk.iter().collect::<Vec<_>>())?;
        let scores = no_grad(|| network.forward(&images, Mode::Evaluate))?.to_f64();
        let highest = scores
            .chunks(CLASSES)
            .map(|row| (0..CLASSES).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or_default());
        correct += highest.zip(chunk).filter(|(class, sample)| *class == sample.class).count();
    }
    Ok(correct as f64 / samples.len() as f64)
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let settings = PhantomSettings {
        matrix: MATRIX..=MATRIX,
        slices: SLICES..=SLICES,
        ..PhantomSettings::default()
    };
    let [training, testing] = SUBJECTS;
    let subjects = PhantomCohort::new(training + testing, SEED, settings)?.draw();
    // Slices of one subject resemble each other, so the split is by subject.
    let (training, testing) = subjects.split_at(training);
    let training: Vec<Sample> = training.iter().flat_map(samples).collect();
    let testing: Vec<Sample> = testing.iter().flat_map(samples).collect();

    let mut network = Classifier::new(&mut Init::new(SEED, 0, DType::F32))?;
    let mut optimiser =
        Sgd::new(SgdSettings { momentum: 0.9, nesterov: true, decay_matrices_only: false });
    let mut random = Stream::new(SEED, Purpose::new(100), 0, 0);
    let mut order: Vec<&Sample> = training.iter().collect();
    let mut reached = 0.0;
    for epoch in 0..EPOCHS {
        random.shuffle(&mut order);
        let rates = Rates::new(schedule::cosine(LEARNING_RATE, 0.0, epoch, EPOCHS), 1e-4);
        let mut total = 0.0;
        for chunk in order.chunks(BATCH) {
            let (images, classes) = batch(chunk)?;
            let loss = cross_entropy(&network.forward(&images, Mode::Train)?, &classes)?;
            total += loss.item()? * chunk.len() as f64;
            let gradients = loss.backward()?;
            optimiser.step(&mut network, gradients, &rates)?;
        }
        reached = accuracy(&mut network, &testing)?;
        let mean = total / order.len() as f64;
        println!("epoch {:2}  loss {mean:.3}  test accuracy {reached:.3}", epoch + 1);
    }

    // Reading the weights into a new network must give the same predictions.
    let path = env::temp_dir().join(format!("classify_phantom_{}.safetensors", process::id()));
    checkpoint::save(&path, &network, checkpoint::Metadata::new())?;
    let mut reloaded = Classifier::new(&mut Init::new(SEED + 1, 0, DType::F32))?;
    checkpoint::load(&path, &mut reloaded)?;
    std::fs::remove_file(&path)?;
    if accuracy(&mut reloaded, &testing)? != reached {
        return Err("the saved weights predict differently".into());
    }
    // Written so that NaN fails too.
    let learned = reached >= ACCURACY;
    if !learned {
        return Err(format!("the test accuracy is {reached}, below {ACCURACY}").into());
    }
    Ok(())
}

#[test]
fn the_network_learns_to_classify_slices() {
    main().unwrap();
}
