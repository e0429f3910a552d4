//! Views made on a GPU against those of the host: the same slices, drawn alike.

use cine_tests::devices;
use emulator::{Emulator, Mode};
use ssp::augment::{Augmentation, Grid};
use ssp::data::Cohort;
use ssp::data::sampler::{Batch, Crops, Order, Sampler, Selection};
use ssp::settings::{Method, Phases, Preset, Settings};
use ssp::task::{Contrastive, Dino, Mim};
use tensor::{Device, Result, Tensor};

/// Pixels that rounding may have put on the other side: of a label's border, or of what solarising
/// turns over.
const TURNED: f64 = 1e-3;

fn share(found: &Tensor, wanted: &Tensor, apart: impl Fn(f64, f64) -> bool) -> Result<f64> {
    let (found, wanted) = (found.on(&Device::Cpu)?.to_f64(), wanted.to_f64());
    assert_eq!(found.len(), wanted.len());
    let differing = found.iter().zip(&wanted).filter(|(f, w)| apart(**f, **w)).count();
    Ok(differing as f64 / wanted.len() as f64)
}

fn agree(what: &str, device: &Device, sampler: &Sampler) {
    for index in 0..2 {
        let [here, there]: [Batch; 2] =
            [&Device::Cpu, device].map(|on| sampler.batch_on(on, 3, index).unwrap());
        assert_eq!(there.images.device(), *device, "{what} on the device");
        assert_eq!(here.positions, there.positions);
        assert_eq!(here.slices, there.slices);
        // Intensities are of some units, sums of seventeen squared taps at most.
        let off = share(&there.images, &here.images, |f, w| (f - w).abs() > 1e-4 * (1.0 + w.abs()));
        let off = off.unwrap();
        assert!(off < TURNED, "{what}, batch {index}: {off} of the pixels differ");
        assert_eq!(here.labels.is_some(), there.labels.is_some());
        if let (Some(here), Some(there)) = (&here.labels, &there.labels) {
            let off = share(there, here, |f, w| f != w).unwrap();
            assert!(off < TURNED, "{what}, batch {index}: {off} of the labels differ");
            assert!(here.to_f64().iter().any(|&label| label > 0.0), "{what} has labels");
        }
    }
}

#[test]
fn views_of_every_task_are_those_of_the_host() {
    let mut devices = devices::all("views on a GPU");
    let checked = Emulator::for_test("views, checked", Mode::Check);
    devices.extend(checked.map(|gpu| Device::Gpu(gpu)));
    if devices.is_empty() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::preset(Preset::Demo, Method::Dino);
    settings.network.size = 48;
    settings.network.spacing = 4.0;
    settings.pretrain.dino.local_size = 24;
    // Everything that happens now and then happens here to every view.
    let mut all = Augmentation::default();
    for chance in [&mut all.noise, &mut all.blur, &mut all.contrast] {
        chance.probability = 1.0;
    }
    all.solarise = 1.0;
    let grid = Grid::square(settings.network.size, settings.network.spacing);
    for device in &devices {
        // A cache stays on the first device that asks for it.
        let cohort = Cohort::phantom(2, 0, folder.path(), |_, _| {}).unwrap();
        let cache = &cohort.cache;
        let sampler = |selection, crops: Crops| {
            Sampler::new(cache.clone(), &[0, 1], selection, Order::Shuffled, crops, 6, 5).unwrap()
        };
        for method in [Method::Pcl, Method::Mim, Method::Dino] {
            let mut of_method = Settings::preset(Preset::Demo, method);
            of_method.network = settings.network.clone();
            of_method.pretrain.dino.local_size = 24;
            let crops = match method {
                Method::Pcl => vec![Contrastive::crops(&of_method)],
                Method::Mim => vec![Mim::crops(&of_method)],
                _ => Dino::crops(&of_method),
            };
            for crops in crops {
                agree(method.name(), device, &sampler(Selection::Everything, crops));
            }
        }
        let labelled = Selection::Labelled(Phases::All);
        let centre = settings.finetune.centre;
        agree("fine-tuning", device, &sampler(labelled, Crops::augmented(grid, all, 2, centre)));
        agree("plain", device, &sampler(labelled, Crops::plain(grid)));
    }
}
