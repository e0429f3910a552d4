//! Convolution on the CPU: plans of taps, forward and backward.

use tensor::{Feature, Tensor};

use super::Convolution;
use crate::batch_norm::{Moments, source};
use crate::simd::Loadable;
use crate::taps::Plan;
use crate::taps::forward::convolve;
use crate::taps::pack::{Packed, Weights};
use crate::taps::stage::{Layout, Source};
use crate::taps::weight_gradient::weight_gradient;

/// The inputs as the staging reads them: raw, with the activation to apply.
fn sources<T: Loadable>(inputs: &[Tensor]) -> Vec<Source<'_, T>> {
    inputs.iter().map(source).collect()
}

fn channels<T: Loadable>(sources: &[Source<'_, T>]) -> Vec<usize> {
    sources.iter().map(|s| s.channels).collect()
}

impl Convolution {
    fn plan(&self) -> Plan {
        let dims = self.inputs[0].dims();
        Plan::convolution(self.weight.dims()[0], self.stride, [dims[1], dims[2]])
    }

    fn cin(&self) -> usize {
        self.weight.dims()[2]
    }

    fn cout(&self) -> usize {
        self.weight.dims()[3]
    }
}

pub fn forward<T: Loadable>(c: &Convolution, measure: bool) -> (Tensor, Option<Moments>) {
    let plan = c.plan();
    let sources = sources::<T>(&c.inputs);
    let layout = Layout::new(&plan, &channels(&sources));
    let (cin, cout, weight) = (c.cin(), c.cout(), c.weight.data::<T::Acc>());
    let weights = Weights { data: weight, first: 0, steps: [cin * cout, cout, 1] };
    let packed = Packed::new::<T>(&plan, layout.blocks(), cout, weights);
    let bias = c.bias.as_ref().map(|b| b.data::<T::Acc>());
    let mut moments = None;
    let shape = [c.inputs[0].dims()[0], plan.output[0], plan.output[1], cout];
    let result = Tensor::build::<T>(shape, |output| {
        moments = convolve(&plan, &layout, &sources, &packed, bias, output, measure);
    });
    (result, moments.map(|m| Moments::from_measured::<T::Acc>(&m)))
}

/// Gradients of the inputs, the weight and the bias, in this order.
pub fn backward<T: Loadable>(
    c: &Convolution,
    gradient: &Tensor,
    wanted: &[bool],
) -> Vec<Option<Tensor>> {
    let (inputs, rest) = wanted.split_at(c.inputs.len());
    let mut gradients = Vec::with_capacity(wanted.len());
    let mut first_channel = 0;
    for (input, &wanted) in c.inputs.iter().zip(inputs) {
        gradients.push(wanted.then(|| input_gradient::<T>(c, gradient, input, first_channel)));
        first_channel += input.shape().last();
    }
    let (weight_wanted, bias_wanted) = (rest[0], rest.get(1).copied());
    let mut bias = None;
    let weight = (weight_wanted || bias_wanted == Some(true)).then(|| {
        let plan = c.plan();
        let sources = sources::<T>(&c.inputs);
        let layout = Layout::new(&plan, &channels(&sources));
        Tensor::build::<T::Acc>(c.weight.shape(), |weights| {
            let g = gradient.data::<T>();
            let with_bias = bias_wanted == Some(true);
            bias = weight_gradient(&plan, &layout, &sources, g, c.cout(), weights, with_bias);
        })
    });
    gradients.push(weight.filter(|_| weight_wanted));
    if bias_wanted.is_some() {
        gradients.push(bias.map(|sums| {
            Tensor::build::<T::Acc>([c.cout()], |out| {
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = T::Acc::from_f64(sum));
            })
        }));
    }
    gradients
}

/// The gradient of one input, whose channels start at `first_channel` of the weight.
fn input_gradient<T: Loadable>(
    c: &Convolution,
    gradient: &Tensor,
    input: &Tensor,
    first_channel: usize,
) -> Tensor {
    let dims = input.dims();
    let plan = Plan::convolution_transposed(c.weight.dims()[0], c.stride, [dims[1], dims[2]]);
    let source = Source { data: gradient.data::<T>(), channels: c.cout(), activation: None };
    let layout = Layout::new(&plan, &[c.cout()]);
    let (cin, cout, weight) = (c.cin(), c.cout(), c.weight.data::<T::Acc>());
    let first = first_channel * cout;
    let weights = Weights { data: weight, first, steps: [cin * cout, 1, cout] };
    let packed = Packed::new::<T>(&plan, layout.blocks(), dims[3], weights);
    Tensor::build::<T>(input.shape(), |output| {
        convolve(&plan, &layout, &[source], &packed, None, output, false);
    })
}

#[cfg(test)]
mod tests {
    use super::super::conv2d;
    use super::*;
    use crate::check::Argument;
    use tensor::DType;
    use tensor::random::{Purpose, Stream};

    /// The formula of the module's documentation, loop by loop.
    fn reference(x: &Tensor, w: &Tensor, bias: &Tensor, stride: usize) -> Vec<f64> {
        let ([n, h, wd, cin], [k, _, _, cout]) =
            (x.shape().as_array().unwrap(), w.shape().as_array().unwrap());
        let (x, w, bias) = (x.to_f64(), w.to_f64(), bias.to_f64());
        let mut y = Vec::new();
        for (b, i, j) in (0..n * h.div_ceil(stride) * wd.div_ceil(stride)).map(|p| {
            let (rows, columns) = (h.div_ceil(stride), wd.div_ceil(stride));
            (p / (rows * columns), p / columns % rows, p % columns)
        }) {
            for o in 0..cout {
                let mut sum = bias[o];
                for (r, c) in (0..k * k).map(|t| (t / k, t % k)) {
                    let (row, column) = (i * stride + r, j * stride + c);
                    let pad = k / 2;
                    if row < pad || row - pad >= h || column < pad || column - pad >= wd {
                        continue;
                    }
                    let pixel = (b * h + row - pad) * wd + column - pad;
                    for q in 0..cin {
                        sum += x[pixel * cin + q] * w[((r * k + c) * cin + q) * cout + o];
                    }
                }
                y.push(sum);
            }
        }
        y
    }

    #[test]
    fn sums_what_the_formula_says() {
        let shapes = [
            ([2, 128, 128, 16], [3, 3, 16, 16], 1),
            ([1, 37, 41, 33], [3, 3, 33, 49], 1),
            ([3, 16, 18, 32], [3, 3, 32, 64], 2),
            ([2, 7, 5, 6], [3, 3, 6, 7], 2),
            ([40, 4, 4, 24], [1, 1, 24, 4], 1),
            ([2, 70, 3, 1], [3, 3, 1, 16], 1),
        ];
        for (index, (x, w, stride)) in shapes.into_iter().enumerate() {
            let mut stream = Stream::new(1, Purpose::CHECK, 0, index as u32);
            for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-12)] {
                let mut draw =
                    |shape: &[usize]| Argument::normal(shape).draw(dtype, &mut stream).unwrap();
                let (x, w, bias) = (draw(&x), draw(&w), draw(&w[3..]));
                let wanted = reference(&x, &w, &bias, stride);
                let found = conv2d(&[&x], &w, Some(&bias), stride).unwrap().to_f64();
                let largest = wanted.iter().fold(0.0f64, |m, v| m.max(v.abs()));
                assert_eq!(wanted.len(), found.len());
                for (i, (a, b)) in wanted.iter().zip(&found).enumerate() {
                    assert!((a - b).abs() < tolerance * largest, "{x:?} {w:?} at {i}: {a} {b}");
                }
            }
        }
    }

    /// A convolution is linear in its input and in its weight, so for any `v` the gradients obey
    /// `<gradient, conv(v, w)> = <dx, v>` and `<gradient, conv(x, v)> = <dw, v>`: a check for
    /// shapes too large for finite differences, such as many bands or weights cut by channels.
    #[test]
    fn gradients_are_adjoints() {
        let shapes = [
            ([3, 6, 7, 160], [3, 3, 160, 170], 1),
            ([2, 9, 8, 256], [3, 3, 256, 128], 2),
            ([40, 16, 16, 8], [3, 3, 8, 24], 1),
            ([2, 130, 70, 20], [3, 3, 20, 17], 2),
            ([5, 12, 11, 300], [1, 1, 300, 600], 1),
        ];
        for (index, (x, w, stride)) in shapes.into_iter().enumerate() {
            for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-13)] {
                let mut stream = Stream::new(2, Purpose::CHECK, 0, index as u32);
                let mut draw =
                    |shape: &[usize]| Argument::normal(shape).draw(dtype, &mut stream).unwrap();
                let (x, w, other_x, other_w) = (draw(&x), draw(&w), draw(&x), draw(&w));
                let conv = |x: &Tensor, w: &Tensor| conv2d(&[x], w, None, stride).unwrap();
                let gradient = draw(conv(&x, &w).dims());
                let (x, w) = (x.parameter(), w.parameter());
                let gradients = conv(&x, &w).backward_from(gradient.clone()).unwrap();
                let product = |a: &Tensor, b: &Tensor| -> (f64, f64) {
                    let terms = a.to_f64().into_iter().zip(b.to_f64()).map(|(a, b)| a * b);
                    terms.fold((0.0, 0.0), |(sum, squares), t| (sum + t, squares + t * t))
                };
                for (moved, part, v) in [
                    (conv(&other_x, &w), gradients.get(&x).unwrap(), &other_x),
                    (conv(&x, &other_w), gradients.get(&w).unwrap(), &other_w),
                ] {
                    let ((wanted, squares), (found, _)) =
                        (product(&gradient, &moved), product(part, v));
                    let size = squares.sqrt();
                    assert!((wanted - found).abs() < tolerance * size, "{wanted} {found} {size}");
                }
            }
        }
    }
}
