//! Shapes on which convolution is checked.

use tensor::Tensor;
use tensor::random::Stream;

use super::{conv2d, conv2d_with_moments};
use crate::batch_norm::check::{normalised, statistics_of};
use crate::batch_norm::{Statistics, batch_norm, moments};
use crate::check::{Argument, Case};

#[derive(Clone)]
struct Setting {
    image: [usize; 3],
    /// Channels of each input.
    cin: Vec<usize>,
    cout: usize,
    kernel: usize,
    stride: usize,
    bias: bool,
}

impl Setting {
    fn name(&self) -> String {
        let Setting { image, cin, cout, kernel, stride, .. } = self;
        format!("{kernel}x{kernel} stride {stride}, {image:?}, {cin:?} to {cout} channels")
    }

    fn arguments(&self) -> Vec<Argument> {
        let [n, h, w] = self.image;
        let cin: usize = self.cin.iter().sum();
        let inputs = self.cin.iter().map(|&c| Argument::normal([n, h, w, c]));
        let weight = Argument::normal([self.kernel, self.kernel, cin, self.cout]).accumulator();
        let bias = self.bias.then(|| Argument::normal([self.cout]).accumulator());
        inputs.chain([weight]).chain(bias).collect()
    }

    /// The convolution alone.
    fn plain(self) -> Case {
        let naive = self.clone();
        Case::new(self.name(), self.arguments(), move |a: &[Tensor]| {
            let (inputs, rest) = a.split_at(self.cin.len());
            let inputs: Vec<&Tensor> = inputs.iter().collect();
            Ok(vec![conv2d(&inputs, &rest[0], rest.get(1), self.stride)?])
        })
        .with_reference(move |a| {
            let (inputs, rest) = a.split_at(naive.cin.len());
            vec![naive.by_definition(inputs, &rest[0], rest.get(1))]
        })
    }

    /// The sum of the [module](super), term by term.
    fn by_definition(&self, x: &[Vec<f64>], w: &[f64], bias: Option<&Vec<f64>>) -> Vec<f64> {
        let ([n, rows, columns], s, p) = (self.image, self.stride, self.kernel / 2);
        let cin: usize = self.cin.iter().sum();
        // Input channel `k` of a pixel; the inputs lie side by side, and zeros around them.
        let read = |image: usize, i: usize, j: usize, mut k: usize| {
            if !(p..rows + p).contains(&i) || !(p..columns + p).contains(&j) {
                return 0.0;
            }
            let mut input = 0;
            while k >= self.cin[input] {
                k -= self.cin[input];
                input += 1;
            }
            x[input][((image * rows + i - p) * columns + j - p) * self.cin[input] + k]
        };
        let mut y = Vec::new();
        for image in 0..n {
            for i in 0..rows.div_ceil(s) {
                for j in 0..columns.div_ceil(s) {
                    for o in 0..self.cout {
                        let mut sum = bias.map_or(0.0, |bias| bias[o]);
                        for r in 0..self.kernel {
                            for c in 0..self.kernel {
                                for k in 0..cin {
                                    let tap = ((r * self.kernel + c) * cin + k) * self.cout + o;
                                    sum += read(image, i * s + r, j * s + c, k) * w[tap];
                                }
                            }
                        }
                        y.push(sum);
                    }
                }
            }
        }
        y
    }

    /// The convolution as the network has it: inputs normalised and activated as they are read,
    /// the result measured on the way and normalised in turn.
    fn in_network(self) -> Case {
        let mut arguments = self.arguments();
        for &c in self.cin.iter().chain([&self.cout]) {
            let affine = [Argument::uniform([c], 0.5, 1.5), Argument::normal([c])];
            arguments.extend(affine.map(Argument::accumulator));
        }
        let (name, naive) = (format!("normalised {}", self.name()), self.clone());
        Case::new(name, arguments, move |a: &[Tensor]| {
            let k = self.cin.len();
            let affine = &a[k + 1 + usize::from(self.bias)..];
            let norm = |x: &Tensor, i: usize| {
                let measured = moments(x)?;
                let statistics = Statistics::Batch(&measured);
                batch_norm(x, statistics, &affine[2 * i], &affine[2 * i + 1], 1e-5, 0.01)
            };
            let inputs = (0..k).map(|i| norm(&a[i], i)).collect::<tensor::Result<Vec<_>>>()?;
            let inputs: Vec<&Tensor> = inputs.iter().collect();
            let bias = self.bias.then(|| &a[k + 1]);
            let (y, measured) = conv2d_with_moments(&inputs, &a[k], bias, self.stride)?;
            let (gamma, beta) = (&affine[2 * k], &affine[2 * k + 1]);
            Ok(vec![batch_norm(&y, Statistics::Batch(&measured), gamma, beta, 1e-5, 0.01)?])
        })
        .with_reference(move |a| {
            let k = naive.cin.len();
            let affine = &a[k + 1 + usize::from(naive.bias)..];
            let norm = |x: &[f64], i: usize, channels: usize| {
                normalised(x, &statistics_of(x, channels), &affine[2 * i..], 0.01)
            };
            let inputs: Vec<_> = (0..k).map(|i| norm(&a[i], i, naive.cin[i])).collect();
            let y = naive.by_definition(&inputs, &a[k], naive.bias.then(|| &a[k + 1]));
            vec![norm(&y, k, naive.cout)]
        })
    }
}

fn of(
    image: [usize; 3],
    cin: &[usize],
    cout: usize,
    kernel: usize,
    stride: usize,
    bias: bool,
) -> Setting {
    Setting { image, cin: cin.to_vec(), cout, kernel, stride, bias }
}

/// Several tiles of pixels and of channels, images that share one.
pub fn large() -> Vec<Case> {
    vec![
        of([3, 18, 17], &[9, 24], 40, 3, 1, true).plain(),
        of([3, 18, 17], &[9, 24], 40, 3, 1, true).in_network(),
        of([2, 33, 18], &[40], 24, 3, 2, true).plain(),
        of([5, 3, 4], &[8], 72, 3, 1, true).plain(),
        of([2, 9, 40], &[24], 70, 1, 1, true).plain(),
        // Enough tiles that their statistics are combined in two passes.
        of([1, 182, 182], &[1], 2, 1, 1, true).in_network(),
    ]
}

/// Odd sizes, single pixels, channel counts around the vector width, several inputs.
pub fn awkward() -> Vec<Case> {
    vec![
        of([1, 1, 1], &[1], 1, 3, 1, true).plain(),
        of([2, 5, 7], &[3], 4, 3, 2, true).plain(),
        of([1, 1, 5], &[2], 3, 3, 2, false).plain(),
        of([2, 3, 4], &[5], 2, 1, 1, true).plain(),
        of([1, 4, 3], &[2], 5, 1, 2, true).plain(),
        of([1, 3, 17], &[1], 18, 3, 1, false).plain(),
        of([1, 2, 2], &[17], 33, 3, 1, true).plain(),
        of([1, 2, 3], &[3, 18], 2, 3, 1, true).plain(),
        of([2, 4, 5], &[4, 3], 6, 3, 1, true).in_network(),
        of([2, 5, 4], &[3], 5, 3, 2, true).in_network(),
    ]
}

/// Any small image and kernel.
pub fn random(stream: &mut Stream) -> Case {
    let mut below = |n| 1 + stream.below(n);
    let image = [below(2), below(6), below(7)];
    let cin = if below(3) == 1 { vec![below(5), below(5)] } else { vec![below(8)] };
    let setting = Setting {
        image,
        cin,
        cout: below(8),
        kernel: [1, 3][below(2) - 1],
        stride: below(2),
        bias: below(2) == 1,
    };
    // A batch of one pixel has no variance to normalise by.
    let pixels = image[0] * image[1].div_ceil(2) * image[2].div_ceil(2);
    if pixels > 3 && below(3) == 1 { setting.in_network() } else { setting.plain() }
}
