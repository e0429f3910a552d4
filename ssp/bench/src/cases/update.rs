//! Updates of all parameters at once: the optimiser, and DINO's teacher.

use nn::{DinoHeadSettings, DinoNet, Init, Module, MovingAverage, Rates, Sgd, SgdSettings, UNet};
use serde_json::json;
use tensor::{Device, Gradients, Tensor};

use super::super::case::{Case, Dtypes, Pass, Repeated, Work};
use super::super::shapes::Network;
use crate::Result;
use data::CLASSES;

pub fn cases(network: &Network, dtypes: Dtypes) -> Vec<Case> {
    vec![optimiser(network, dtypes), teacher(network, dtypes)]
}

/// Shapes of a network's parameters.
fn shapes(module: &dyn Module) -> Vec<Vec<usize>> {
    module.parameters().iter().map(|parameter| parameter.tensor().dims().to_vec()).collect()
}

/// A case whose memory traffic is `touched` times the size of the parameters, which have these `shapes`.
fn case(
    operation: &'static str,
    what: &str,
    touched: usize,
    dtypes: Dtypes,
    shapes: Result<Vec<Vec<usize>>>,
    setup: impl Fn(&Device) -> Result<Repeated> + 'static,
) -> Case {
    // The error of a network that cannot be built is returned when the case is timed.
    let shapes = shapes.unwrap_or_default();
    let values: usize = shapes.iter().map(|shape| shape.iter().product::<usize>()).sum();
    let bytes = (touched * values * dtypes.parameters.bytes()) as f64;
    let work = Work::Update(Box::new(setup));
    Case {
        operation,
        shape: format!("{what}, {values} values in {} tensors", shapes.len()),
        uses: 1,
        arguments: vec![],
        passes: vec![Pass { name: "update", work, flop: None, bytes }],
        peer: Some(json!({"shapes": shapes})),
    }
}

/// Stochastic gradient descent: reads parameters, momentum and gradients, writes the first two.
fn optimiser(network: &Network, dtypes: Dtypes) -> Case {
    let channels = network.channels.clone();
    let build = move || UNet::new(&mut Init::new(0, 0, dtypes.parameters), &channels, CLASSES, -1);
    let shapes = build().map(|net| shapes(&net)).map_err(Into::into);
    case("sgd", "the U-Net", 5, dtypes, shapes, move |device| {
        let mut net = build()?;
        net.move_to(device)?;
        let given =
            net.parameters().into_iter().map(|parameter| parameter.tensor().copy_to(device));
        let given = given.collect::<tensor::Result<Vec<Tensor>>>()?;
        let mut sgd =
            Sgd::new(SgdSettings { momentum: 0.99, nesterov: true, decay_matrices_only: false });
        Ok(Box::new(move || {
            let gradients = handed(&net, &given, device_of(&given))?;
            // So small a rate leaves the parameters what they are.
            Ok(sgd.step(&mut net, gradients, &Rates::new(1e-12, 3e-5))?)
        }))
    })
}

fn device_of(tensors: &[Tensor]) -> Device {
    tensors.first().map_or(Device::Cpu, Tensor::device)
}

/// Random gradients in place of those of a backward pass.
fn handed(net: &dyn Module, given: &[Tensor], device: Device) -> Result<Gradients> {
    let given: Vec<Option<Tensor>> = given.iter().cloned().map(Some).collect();
    let parents: Vec<&Tensor> = net.parameters().into_iter().map(|p| p.tensor()).collect();
    let one = Tensor::scalar(0.0f32).copy_to(&device)?;
    Ok(one.recorded("given", &parents, move |_, _| Ok(given)).backward()?)
}

/// DINO's teacher follows its student: reads both, writes one.
fn teacher(network: &Network, dtypes: Dtypes) -> Case {
    let channels = network.channels.clone();
    let [hidden, bottleneck, outputs] = network.head;
    let head =
        DinoHeadSettings { hidden, bottleneck, outputs, batch_norm: true, fixed_magnitude: true };
    let build = move || DinoNet::new(&mut Init::new(0, 0, dtypes.parameters), &channels, &head);
    let shapes = build().map(|net| shapes(&net)).map_err(Into::into);
    case("moving_average", "DINO's teacher", 3, dtypes, shapes, move |device| {
        let [mut teacher, mut student] = [build()?, build()?];
        teacher.move_to(device)?;
        student.move_to(device)?;
        let mut average = MovingAverage::default();
        Ok(Box::new(move || Ok(average.update(&mut teacher, &student, 0.996)?)))
    })
}
