//! Transposed convolution on the CPU: plans of taps, forward and backward.

use tensor::{Feature, Tensor};

use crate::batch_norm::source;
use crate::simd::Loadable;
use crate::taps::Plan;
use crate::taps::forward::convolve;
use crate::taps::pack::{Packed, Weights};
use crate::taps::stage::{Layout, Source};
use crate::taps::weight_gradient::weight_gradient;

fn sizes(x: &Tensor, weight: &Tensor) -> (Plan, usize, usize) {
    let plan = Plan::upsampling([x.dims()[1], x.dims()[2]]);
    (plan, weight.dims()[2], weight.dims()[3])
}

pub fn forward<T: Loadable>(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let (plan, cin, cout) = sizes(x, weight);
    let layout = Layout::new(&plan, &[cin]);
    let values = weight.data::<T::Acc>();
    let weights = Weights { data: values, first: 0, steps: [cin * cout, cout, 1] };
    let packed = Packed::new::<T>(&plan, layout.blocks(), cout, weights);
    let bias = bias.map(|b| b.data::<T::Acc>());
    Tensor::build::<T>([x.dims()[0], plan.output[0], plan.output[1], cout], |output| {
        convolve(&plan, &layout, &[source(x)], &packed, bias, output, false);
    })
}

/// Gradients of input, weight and, if it is a parent, bias.
pub fn backward<T: Loadable>(
    x: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
    wanted: &[bool],
) -> Vec<Option<Tensor>> {
    let (plan, cin, cout) = sizes(x, weight);
    let bias_wanted = wanted.get(2).copied();
    let mut bias = None;
    let weight_gradient = (wanted[1] || bias_wanted == Some(true)).then(|| {
        let layout = Layout::new(&plan, &[cin]);
        let g = gradient.data::<T>();
        Tensor::build::<T::Acc>(weight.shape(), |sums| {
            let with_bias = bias_wanted == Some(true);
            bias = weight_gradient(&plan, &layout, &[source(x)], g, cout, sums, with_bias);
        })
    });
    let mut gradients = vec![
        wanted[0].then(|| input_gradient::<T>(x, weight, gradient)),
        weight_gradient.filter(|_| wanted[1]),
    ];
    if bias_wanted.is_some() {
        gradients.push(bias.map(|sums| {
            Tensor::build::<T::Acc>([cout], |out| {
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = T::Acc::from_f64(sum));
            })
        }));
    }
    gradients
}

fn input_gradient<T: Loadable>(x: &Tensor, weight: &Tensor, gradient: &Tensor) -> Tensor {
    let (_, cin, cout) = sizes(x, weight);
    let plan = Plan::upsampling_transposed([x.dims()[1], x.dims()[2]]);
    let layout = Layout::new(&plan, &[cout]);
    let values = weight.data::<T::Acc>();
    let weights = Weights { data: values, first: 0, steps: [cin * cout, 1, cout] };
    let packed = Packed::new::<T>(&plan, layout.blocks(), cin, weights);
    let source = Source { data: gradient.data::<T>(), channels: cout, activation: None };
    Tensor::build::<T>(x.shape(), |output| {
        convolve(&plan, &layout, &[source], &packed, None, output, false);
    })
}
