//! One pass over the pixels forwards, one backwards.
//!
//! Pixels are taken in blocks small enough for the first cache. A block's logits are first put
//! class by class, so that every loop after that runs over pixels and vectorises whatever the
//! number of classes. Probabilities are computed again backwards: cheaper than keeping them.

use rayon::prelude::*;
use tensor::Feature;

use crate::exponential::Exponential;
use crate::simd::{self, Loadable, Simd, Vectorised};

/// Pixels of a block.
const BLOCK: usize = 64;

/// Pixels, of one image, that one task works on.
const CHUNK: usize = 64 * BLOCK;

/// Independent partial sums, which hide the latency of additions.
const LANES: usize = 16;

/// What a block holds where the image has ended: of no class.
const NO_LABEL: u8 = u8::MAX;

/// Extents of one scale.
#[derive(Clone, Copy)]
pub struct Size {
    /// Images.
    pub batch: usize,
    /// Pixels of an image.
    pub pixels: usize,
    /// Classes.
    pub classes: usize,
}

/// What the loss needs to know of one image.
#[derive(Clone)]
pub struct ImageSums {
    /// Sum over pixels.
    pub cross_entropy: f64,
    /// Σ p y, Σ p and Σ y over pixels, by class.
    overlap: Vec<[f64; 3]>,
}

impl ImageSums {
    fn none(classes: usize) -> Self {
        ImageSums { cross_entropy: 0.0, overlap: vec![[0.0; 3]; classes] }
    }

    fn add(mut self, other: &ImageSums) -> Self {
        self.cross_entropy += other.cross_entropy;
        for (sums, other) in self.overlap.iter_mut().zip(&other.overlap) {
            sums.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
        }
        self
    }

    /// One minus Dice, summed over classes with the given weights.
    pub fn dice_loss(&self, weights: &[f64], smooth: f64) -> f64 {
        let loss = |[both, predicted, labelled]: [f64; 3]| {
            1.0 - (2.0 * both + smooth) / (predicted + labelled + smooth)
        };
        self.overlap.iter().zip(weights).map(|(&sums, weight)| weight * loss(sums)).sum()
    }

    /// Derivatives of `share` times [`dice_loss`](Self::dice_loss) with respect to the probability
    /// of a class at a pixel: the first where that is its label, the second where it is not.
    pub fn dice_slopes(&self, weights: &[f64], smooth: f64, share: f64) -> Vec<[f64; 2]> {
        let slopes = |(&[both, predicted, labelled], weight): (&[f64; 3], &f64)| {
            let size = predicted + labelled + smooth;
            let elsewhere = share * weight * (2.0 * both + smooth) / (size * size);
            [elsewhere - share * weight * 2.0 / size, elsewhere]
        };
        self.overlap.iter().zip(weights).map(slopes).collect()
    }
}

/// Derivatives of the total for one image.
pub struct Slopes {
    /// With respect to the cross entropy of a pixel.
    pub cross_entropy: f64,
    /// With respect to the probability of each class, at and off its label.
    pub dice: Vec<[f64; 2]>,
}

impl Slopes {
    /// All of them times `factor`.
    pub fn scaled(&self, factor: f64) -> Self {
        Slopes {
            cross_entropy: factor * self.cross_entropy,
            dice: self.dice.iter().map(|both| both.map(|slope| factor * slope)).collect(),
        }
    }
}

/// The sums of every image.
pub fn forward<F: Loadable<Acc: Exponential>>(
    logits: &[F],
    labels: &[u8],
    size: Size,
) -> Vec<ImageSums> {
    let Size { pixels, classes, .. } = size;
    let images = logits.par_chunks(pixels * classes).zip(labels.par_chunks(pixels));
    let sums = images.map(|(logits, labels)| {
        let chunks = logits.par_chunks(CHUNK * classes).zip(labels.par_chunks(CHUNK));
        let sums: Vec<ImageSums> =
            chunks.map(|(logits, labels)| simd::run(Forward { logits, labels, classes })).collect();
        sums.iter().fold(ImageSums::none(classes), ImageSums::add)
    });
    sums.collect()
}

/// Writes the gradient with respect to every logit.
pub fn backward<F: Loadable<Acc: Exponential>>(
    logits: &[F],
    labels: &[u8],
    size: Size,
    slopes: &[Slopes],
    out: &mut [F],
) {
    let Size { pixels, classes, .. } = size;
    let images = out.par_chunks_mut(pixels * classes).zip(logits.par_chunks(pixels * classes));
    images.zip(labels.par_chunks(pixels)).zip(slopes).for_each(|(((out, logits), labels), s)| {
        let chunks = out.par_chunks_mut(CHUNK * classes).zip(logits.par_chunks(CHUNK * classes));
        chunks.zip(labels.par_chunks(CHUNK)).for_each(|((out, logits), labels)| {
            simd::run(Backward { logits, labels, classes, slopes: s, out });
        });
    });
}

/// A block of pixels, class by class.
struct Block<T> {
    /// Logits, then probabilities; zero where the image has ended.
    planes: Vec<[T; BLOCK]>,
    /// The label of each pixel.
    labels: [u8; BLOCK],
    /// The largest logit of each pixel.
    largest: [T; BLOCK],
    /// Σ e^(logit - largest) of each pixel; 1 where the image has ended.
    total: [T; BLOCK],
}

impl<T: Exponential> Block<T> {
    fn new(classes: usize) -> Self {
        let zeros = [T::default(); BLOCK];
        Block {
            planes: vec![zeros; classes],
            labels: [NO_LABEL; BLOCK],
            largest: zeros,
            total: zeros,
        }
    }

    /// Reads logits and labels of up to a block of pixels, and finds the largest logits.
    #[inline(always)]
    fn load<F: Feature<Acc = T>>(&mut self, logits: &[F], labels: &[u8]) {
        let pixels = labels.len();
        self.labels[..pixels].copy_from_slice(labels);
        self.labels[pixels..].fill(NO_LABEL);
        if let Ok([a, b, c, d]) = <&mut [_; 4]>::try_from(&mut self.planes[..]) {
            // Four classes are the rule; known strides become shuffles.
            for (i, logits) in logits.as_chunks::<4>().0.iter().enumerate().take(BLOCK) {
                [a[i], b[i], c[i], d[i]] = logits.map(F::widen);
            }
        } else {
            let classes = self.planes.len();
            for (class, plane) in self.planes.iter_mut().enumerate() {
                let of_class = logits[class..].iter().step_by(classes);
                plane.iter_mut().zip(of_class).for_each(|(to, logit)| *to = logit.widen());
            }
        }
        let Block { planes, largest, .. } = self;
        planes.iter_mut().for_each(|plane| plane[pixels..].fill(T::default()));
        *largest = planes[0];
        for plane in &planes[1..] {
            for (m, &z) in largest.iter_mut().zip(plane) {
                *m = if *m > z { *m } else { z };
            }
        }
    }

    /// Writes what the planes hold now, pixel by pixel.
    #[inline(always)]
    fn store<F: Feature<Acc = T>>(&self, out: &mut [F]) {
        if let Ok([a, b, c, d]) = <&[_; 4]>::try_from(&self.planes[..]) {
            for (i, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate().take(BLOCK) {
                *out = [a[i], b[i], c[i], d[i]].map(F::narrow);
            }
        } else {
            let classes = self.planes.len();
            for (class, plane) in self.planes.iter().enumerate() {
                let of_class = out[class..].iter_mut().step_by(classes);
                of_class.zip(plane).for_each(|(to, &from)| *to = F::narrow(from));
            }
        }
    }

    /// Turns logits into probabilities.
    #[inline(always)]
    fn softmax(&mut self, pixels: usize) {
        let Block { planes, largest, total, .. } = self;
        *total = [T::default(); BLOCK];
        for plane in planes.iter_mut() {
            for ((z, &m), total) in plane.iter_mut().zip(&*largest).zip(total.iter_mut()) {
                *z = (*z - m).exp_nonpositive();
                *total += *z;
            }
        }
        let mut scale = [T::default(); BLOCK];
        scale.iter_mut().zip(&*total).for_each(|(s, &total)| *s = T::from_f64(1.0) / total);
        scale[pixels..].fill(T::default());
        total[pixels..].fill(T::from_f64(1.0));
        for plane in planes.iter_mut() {
            plane.iter_mut().zip(&scale).for_each(|(p, &s)| *p = *p * s);
        }
    }

    /// Σ over pixels of the largest logit minus that of the label.
    #[inline(always)]
    fn gaps(&self) -> [T; LANES] {
        let mut gap = [T::default(); BLOCK];
        for (class, plane) in self.planes.iter().enumerate() {
            let pixels = plane.iter().zip(&self.largest).zip(&self.labels);
            for (gap, ((&z, &largest), &label)) in gap.iter_mut().zip(pixels) {
                *gap = if usize::from(label) == class { largest - z } else { *gap };
            }
        }
        folded(&gap)
    }

    /// Σ ln total over pixels, with one logarithm for every eight: a total is at most the number
    /// of classes, and the product of eight such numbers far from overflow.
    #[inline(always)]
    fn log_totals(&self) -> f64 {
        let mut products = [T::from_f64(1.0); 8];
        for totals in self.total.as_chunks::<8>().0 {
            products.iter_mut().zip(totals).for_each(|(p, &total)| *p = *p * total);
        }
        products.iter().map(|p| p.to_f64().ln()).sum()
    }
}

/// Sums of a block, lane by lane.
#[inline(always)]
fn folded<T: Exponential>(values: &[T; BLOCK]) -> [T; LANES] {
    let mut lanes = [T::default(); LANES];
    for values in values.as_chunks::<LANES>().0 {
        lanes.iter_mut().zip(values).for_each(|(lane, &x)| *lane += x);
    }
    lanes
}

struct Forward<'a, F> {
    logits: &'a [F],
    labels: &'a [u8],
    classes: usize,
}

impl<F: Loadable<Acc: Exponential>> Vectorised<F::Acc> for Forward<'_, F> {
    type Output = ImageSums;

    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = F::Acc>>(self) -> ImageSums {
        let mut block = Block::<F::Acc>::new(self.classes);
        let mut sums = ImageSums::none(self.classes);
        let logits = self.logits.chunks(BLOCK * self.classes);
        for (logits, labels) in logits.zip(self.labels.chunks(BLOCK)) {
            block.load(logits, labels);
            let gaps: F::Acc = block.gaps().into_iter().sum();
            block.softmax(labels.len());
            sums.cross_entropy += gaps.to_f64() + block.log_totals();
            for ((class, plane), overlap) in block.planes.iter().enumerate().zip(&mut sums.overlap)
            {
                let mut both = [F::Acc::default(); BLOCK];
                let mut labelled = 0u32;
                for ((both, &p), &label) in both.iter_mut().zip(plane).zip(&block.labels) {
                    let here = usize::from(label) == class;
                    *both = if here { p } else { F::Acc::default() };
                    labelled += u32::from(here);
                }
                overlap[0] += folded(&both).into_iter().sum::<F::Acc>().to_f64();
                overlap[1] += folded(plane).into_iter().sum::<F::Acc>().to_f64();
                overlap[2] += f64::from(labelled);
            }
        }
        sums
    }
}

struct Backward<'a, F> {
    logits: &'a [F],
    labels: &'a [u8],
    classes: usize,
    slopes: &'a Slopes,
    out: &'a mut [F],
}

impl<F: Loadable<Acc: Exponential>> Vectorised<F::Acc> for Backward<'_, F> {
    type Output = ();

    /// With `g` the derivative with respect to a probability, that with respect to a logit is
    /// `p (g - Σ p g)`; cross entropy adds `p - y`.
    #[inline(always)]
    unsafe fn run<S: Simd<Scalar = F::Acc>>(self) {
        let mut block = Block::<F::Acc>::new(self.classes);
        let entropy = F::Acc::from_f64(self.slopes.cross_entropy);
        let slopes: Vec<[F::Acc; 2]> =
            self.slopes.dice.iter().map(|both| both.map(F::Acc::from_f64)).collect();
        let logits = self.logits.chunks(BLOCK * self.classes);
        let out = self.out.chunks_mut(BLOCK * self.classes);
        for ((logits, labels), out) in logits.zip(self.labels.chunks(BLOCK)).zip(out) {
            block.load(logits, labels);
            block.softmax(labels.len());
            let Block { planes, labels, .. } = &mut block;
            let mut inner = [F::Acc::default(); BLOCK];
            for ((class, plane), [at, off]) in planes.iter().enumerate().zip(&slopes) {
                for ((inner, &p), &label) in inner.iter_mut().zip(plane).zip(&*labels) {
                    *inner += p * if usize::from(label) == class { *at } else { *off };
                }
            }
            for ((class, plane), &[at, off]) in planes.iter_mut().enumerate().zip(&slopes) {
                for ((p, &inner), &label) in plane.iter_mut().zip(&inner).zip(&*labels) {
                    let here = usize::from(label) == class;
                    let (g, y) = if here { (at, entropy) } else { (off, F::Acc::default()) };
                    *p = *p * (g - inner + entropy) - y;
                }
            }
            block.store(out);
        }
    }
}
