//! Views made on a GPU, from slices that lie there, against those of the host: for the augmentation of
//! every task.

use std::sync::Arc;

use cine_tests::devices;
use data::{CardiacPhase, LabelledFrame, Stack, Subject};
use kernels::check::compare::{largest, relative, worse};
use sampling::augment::{Augmentation, Grid};
use sampling::cache::{Cache, Key};
use sampling::sampler::{Crops, Order, Sampler, Selection};
use settings::{Centre, Method, Phases, Preset, Settings};
use tempfile::TempDir;
use tensor::gpu::{Address, CapturedGraph, KernelArguments, Launch, Program};
use tensor::random::{Purpose, Stream};
use tensor::{Device, Error, Gpu, MemoryUse, Result, Tensor};
use train::task::{Contrastive, Dino, Mim};

/// Smaller than the study's, and not whole tiles.
const SIZE: usize = 50;

/// A subject of noise, on a grid of its own; of whole numbers or not.
fn subject(number: usize) -> Subject {
    let (phases, slices, rows, columns) = (3, 2, 61, 48 + 7 * number);
    let volume = slices * rows * columns;
    let mut stream = Stream::new(3, Purpose::CHECK, 0, number as u32);
    let voxels = (0..phases * volume).map(|_| {
        let value = stream.uniform(0.0, 900.0);
        if number == 0 { value.round() as f32 } else { value as f32 }
    });
    let voxels = voxels.collect();
    let labels: Vec<u8> = (0..volume)
        .map(|v| if (15..35).contains(&(v % columns)) { (v % 7 % 4) as u8 } else { 0 })
        .collect();
    let frame =
        |phase, cardiac_phase| LabelledFrame { phase, cardiac_phase, labels: labels.clone() };
    Subject {
        id: format!("S{number}"),
        stack: Stack { voxels, phases, slices, rows, columns, spacing: [1.9, 1.4, 8.0] },
        frames: vec![frame(0, CardiacPhase::EndDiastole), frame(2, CardiacPhase::EndSystole)],
        vendor: None,
        pathology: None,
    }
}

fn cohort(folder: &TempDir) -> Arc<Cache> {
    let ids: Vec<String> = (0..2).map(|number| format!("S{number}")).collect();
    let key = Key::of_settings("views", 1, "");
    let read = |number| Ok(subject(number));
    Arc::new(Cache::open_or_build(folder.path(), &key, &ids, read, |_, _| {}).unwrap().0)
}

/// The study's settings on a smaller grid of the same extent.
fn settings(method: Method) -> Settings {
    let mut settings = Settings::preset(Preset::Paper, method);
    settings.network.spacing *= settings.network.size as f64 / SIZE as f64;
    settings.network.size = SIZE;
    settings.pretrain.dino.local_size = SIZE / 2;
    settings
}

/// What a task's samplers yield.
fn crops(method: Method) -> Vec<Crops> {
    let settings = settings(method);
    let grid = Grid::square(settings.network.size, settings.network.spacing);
    match method {
        Method::Scratch => {
            let finetune = &settings.finetune;
            let trained = Crops::augmented(grid, finetune.augmentation, 1, finetune.centre);
            vec![trained, Crops::plain(grid)]
        }
        Method::SimClr | Method::Pcl => vec![Contrastive::crops(&settings)],
        Method::Dino => Dino::crops(&settings),
        Method::Mim => vec![Mim::crops(&settings)],
    }
}

fn sampler(cache: &Arc<Cache>, method: Method, crops: Crops) -> Sampler {
    let selection = match method {
        Method::Scratch => Selection::Labelled(Phases::All),
        _ => Selection::Everything,
    };
    Sampler::new(cache.clone(), &[0, 1], selection, Order::Shuffled, crops, 5, 7).unwrap()
}

/// Differences of rounding alone. At 0, where solarisation jumps, it decides between two values.
#[track_caller]
fn close(found: &Tensor, wanted: &Tensor, jumps: bool) -> f64 {
    let (found, wanted) = (found.copy_to(&Device::Cpu).unwrap().to_f64(), wanted.to_f64());
    assert_eq!(found.len(), wanted.len());
    let at_a_jump = |v: f64| jumps && v.abs() < 1e-4;
    let each = found.iter().zip(&wanted).filter(|&(&a, &b)| !at_a_jump(a) && !at_a_jump(b));
    let error = each.map(|(a, b)| (a - b).abs()).fold(0.0, worse);
    let worst = relative(error, largest(&wanted));
    assert!(found.iter().all(|v| v.is_finite()) && worst < 1e-5, "off by {worst:e}");
    worst
}

#[test]
fn views_of_every_task_are_those_of_the_host() {
    let folder = TempDir::new().unwrap();
    let cache = cohort(&folder);
    for device in devices::all("views on a GPU") {
        for method in Method::ALL {
            for crops in crops(method) {
                let jumps = crops.views.iter().flatten().any(|a: &Augmentation| a.solarise > 0.0);
                let sampler = sampler(&cache, method, crops);
                let mut worst = 0.0f64;
                for epoch in 0..3 {
                    let wanted = sampler.batch(epoch, 0).unwrap();
                    let found = sampler.batch_on(&device, epoch, 0).unwrap();
                    assert_eq!(found.images.device(), device, "made where they are needed");
                    assert_eq!(found.images.shape(), wanted.images.shape());
                    assert_eq!((found.positions, found.slices), (wanted.positions, wanted.slices));
                    worst = worse(worst, close(&found.images, &wanted.images, jumps));
                    assert_eq!(found.labels.is_some(), method == Method::Scratch);
                    if let (Some(found), Some(wanted)) = (found.labels, wanted.labels) {
                        let found = found.copy_to(&Device::Cpu).unwrap();
                        assert_eq!(found.data::<u8>(), wanted.data::<u8>());
                    }
                }
                println!("{device}: {}: off by {worst:.1e}", method.name());
            }
        }
    }
}

/// A device that never has memory left.
struct Full;

impl Gpu for Full {
    fn name(&self) -> String {
        "a full device".into()
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        Err(Error::DeviceMemory { device: self.name(), requested: bytes, available: 0 })
    }

    fn upload(&self, bytes: &[u8]) -> Result<Address> {
        self.allocate(bytes.len())
    }

    unsafe fn release(&self, _: Address, _: usize) {}

    unsafe fn write(&self, _: Address, _: &[u8]) -> Result<()> {
        unreachable!("it has no memory")
    }

    unsafe fn read(&self, _: Address, _: &mut [u8]) -> Result<()> {
        unreachable!("it has no memory")
    }

    unsafe fn copy(&self, _: Address, _: Address, _: usize) -> Result<()> {
        unreachable!("it has no memory")
    }

    unsafe fn launch(
        &self,
        _: &Program,
        _: &str,
        _: Launch,
        _: &dyn KernelArguments,
    ) -> Result<()> {
        unreachable!("it has no memory")
    }

    fn memory_use(&self) -> MemoryUse {
        MemoryUse::default()
    }

    fn synchronise(&self) -> Result<()> {
        Ok(())
    }

    fn begin_capture(&self) -> Result<()> {
        unreachable!("nothing runs on it")
    }

    fn end_capture(self: Arc<Self>) -> Result<Box<dyn CapturedGraph>> {
        unreachable!("nothing runs on it")
    }
}

#[test]
fn slices_that_do_not_fit_leave_views_to_the_host() {
    let folder = TempDir::new().unwrap();
    let cache = cohort(&folder);
    let crops = Crops::augmented(Grid::square(9, 7.0), Augmentation::default(), 2, Centre::Motion);
    let sampler = sampler(&cache, Method::SimClr, crops);
    let device = Device::Gpu(Arc::new(Full));
    assert!(sampler.renders_on(&Device::Cpu).unwrap());
    assert!(!sampler.renders_on(&device).unwrap());
    let [found, wanted] =
        [&device, &Device::Cpu].map(|device| sampler.batch_on(device, 1, 0).unwrap());
    assert_eq!(found.images.device(), Device::Cpu);
    assert_eq!(found.images.data::<f32>(), wanted.images.data::<f32>());
}
