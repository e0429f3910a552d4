//! Training gives the same bits with any number of threads, and after an interruption.

use kernels::cast::cast;
use kernels::dice_ce::{DiceCe, dice_ce};
use kernels::nt_xent::{NtXent, nt_xent};
use nn::{
    EncoderMlp, Init, Mode, Module, Rates, Sgd, SgdSettings, StateRef, UNet, checkpoint, widened,
};
use sampling::sampler::Batch;
use settings::{Fill, Masking, Method, Preset, Settings};
use tensor::random::{Purpose, Stream};
use tensor::{DType, Result, Tensor};
use train::task::{Dino, Mim, Step, Task};

/// Large enough that every operation has more than one piece of work to share.
const IMAGES: [usize; 4] = [6, 64, 48, 1];
const CHANNELS: [usize; 3] = [9, 16, 24];

/// Precisions of features.
const FEATURES: [DType; 2] = [DType::F32, DType::BF16];

fn sgd() -> Sgd {
    Sgd::new(SgdSettings { momentum: 0.9, nesterov: true, decay_matrices_only: false })
}

fn rates() -> Rates {
    Rates::new(0.05, 1e-4)
}

fn images(step: u32) -> Tensor {
    let mut stream = Stream::new(1, Purpose::CHECK, step, 0);
    Tensor::build::<f32>(IMAGES, |out| out.fill_with(|| stream.normal() as f32))
}

fn labels(step: u32) -> Result<Tensor> {
    let mut stream = Stream::new(1, Purpose::CHECK, step, 1);
    let labels: Vec<u8> = (0..IMAGES.iter().product()).map(|_| stream.below(4) as u8).collect();
    Tensor::from_slice(&labels, &IMAGES[..3])
}

fn unet(seed: u64) -> Result<UNet> {
    UNet::new(&mut Init::new(seed, 0, DType::F32), &CHANNELS, 4, -1)
}

fn unet_steps(
    net: &mut UNet,
    sgd: &mut Sgd,
    steps: std::ops::Range<u32>,
    features: DType,
) -> common::Result<()> {
    for step in steps {
        let logits = net.forward(&cast(&images(step), features)?, Mode::Train)?;
        let logits: Vec<&Tensor> = logits.iter().collect();
        let loss = dice_ce(&logits, &labels(step)?, &DiceCe::default())?.total;
        sgd.step(net, loss.backward()?, &rates())?;
    }
    Ok(())
}

/// Every parameter, buffer and counter, bit for bit.
fn bits(net: &dyn Module) -> Vec<(String, Vec<u32>)> {
    let bits = |tensor: &Tensor| tensor.data::<f32>().iter().map(|v| v.to_bits()).collect();
    let state = net.state().into_iter().map(|(name, state)| match state {
        StateRef::Parameter(parameter) => (name, bits(parameter.tensor())),
        StateRef::Buffer(buffer) => (name, bits(buffer.tensor())),
        StateRef::Counter(counter) => (name, vec![counter.get() as u32]),
    });
    state.collect()
}

/// Runs `train` in pools of 1, 2 and 3 threads and compares what comes out.
#[track_caller]
fn assert_same_on_any_threads(train: impl Fn() -> common::Result<Vec<(String, Vec<u32>)>> + Sync) {
    let on_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| train().unwrap())
    };
    let alone = on_threads(1);
    assert!(alone.iter().all(|(_, bits)| bits.iter().all(|&b| f32::from_bits(b).is_finite())));
    for threads in [2, 3] {
        for (one, many) in alone.iter().zip(&on_threads(threads)) {
            assert!(one == many, "{} differs with {threads} threads", one.0);
        }
    }
}

#[test]
fn segmentation_gives_the_same_bits_on_any_number_of_threads() {
    for features in FEATURES {
        assert_same_on_any_threads(|| {
            let (mut net, mut sgd) = (unet(3)?, sgd());
            unet_steps(&mut net, &mut sgd, 0..3, features)?;
            Ok(bits(&net))
        });
    }
}

#[test]
fn contrastive_learning_gives_the_same_bits_on_any_number_of_threads() {
    for precision in FEATURES {
        assert_same_on_any_threads(|| {
            let init = &mut Init::new(3, 0, DType::F32);
            let (mut net, mut sgd) = (EncoderMlp::new(init, &CHANNELS, &[32, 16])?, sgd());
            let positions = Tensor::from_slice(&[0.1f64, 0.1, 0.15, 0.15, 0.8, 0.8], [6])?;
            for step in 0..3 {
                let features = net.forward(&cast(&images(step), precision)?, Mode::Train)?;
                let loss = nt_xent(&widened(&features)?, Some(&positions), &NtXent::default())?;
                sgd.step(&mut net, loss.backward()?, &rates())?;
            }
            Ok(bits(&net))
        });
    }
}

/// Steps of a pretext task on noise: views of 3 slices, those of half size if there are any.
fn pretext_steps<T: Task>(task: &mut T, parts: &[[usize; 2]]) -> common::Result<()> {
    let mut sgd = sgd();
    for number in 0..3 {
        let part = |&[images, size]: &[usize; 2]| {
            let mut stream = Stream::new(1, Purpose::CHECK, number as u32, images as u32);
            let images = Tensor::build::<f32>([images, size, size, 1], |out| {
                out.fill_with(|| stream.normal() as f32);
            });
            Batch { positions: vec![], labels: None, images, slices: vec![] }
        };
        let batch: Vec<Batch> = parts.iter().map(part).collect();
        let step = Step { epoch: 1, number, total: 10 };
        let inputs = task.inputs(&batch, step)?;
        let gradients = task.loss(&inputs)?.backward()?;
        sgd.step(task.network_mut(), gradients, &rates())?;
        task.after_update(&inputs)?;
    }
    Ok(())
}

fn small(method: Method) -> Settings {
    let mut settings = Settings::preset(Preset::Demo, method);
    settings.network.channels = CHANNELS.to_vec();
    settings.network.size = 48;
    settings.pretrain.dino.local_size = 24;
    settings
}

#[test]
fn dino_gives_the_same_bits_on_any_number_of_threads() {
    assert_same_on_any_threads(|| {
        let mut task = Dino::new(&small(Method::Dino)).unwrap();
        pretext_steps(&mut task, &[[6, 48], [18, 24]]).unwrap();
        // Student, teacher and centre.
        Ok(bits(&task))
    });
}

#[test]
fn masked_image_modelling_gives_the_same_bits_on_any_number_of_threads() {
    assert_same_on_any_threads(|| {
        let mut settings = small(Method::Mim);
        settings.pretrain.mim.masking = Masking::Drawn(Fill::ShufflePixelsBatch);
        let mut task = Mim::new(&settings, None).unwrap();
        pretext_steps(&mut task, &[[6, 48]]).unwrap();
        Ok(bits(&task))
    });
}

#[test]
fn an_interrupted_run_ends_where_an_uninterrupted_one_does() -> common::Result<()> {
    let (mut through, mut optimiser) = (unet(3)?, sgd());
    unet_steps(&mut through, &mut optimiser, 0..4, DType::F32)?;

    let folder = tempfile::tempdir().unwrap();
    let [file, older] = ["progress", "previous"].map(|name| folder.path().join(name));
    let (mut first, mut optimiser) = (unet(3)?, sgd());
    unet_steps(&mut first, &mut optimiser, 0..2, DType::F32)?;
    checkpoint::save_progress(&file, &older, &first, &optimiser, checkpoint::Metadata::new())?;

    let (mut resumed, mut optimiser) = (unet(4)?, sgd());
    checkpoint::load_progress(&file, &mut resumed, &mut optimiser)?;
    unet_steps(&mut resumed, &mut optimiser, 2..4, DType::F32)?;
    assert!(bits(&resumed) == bits(&through), "the resumed run went another way");
    Ok(())
}
