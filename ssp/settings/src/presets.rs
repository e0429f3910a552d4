//! The presets: the numbers of the published study, and smaller ones for smaller machines.

use super::{
    AugmentationChange, Centre, Contrastive, Decay, Dino, Finetuning, Loss, Masking, Method, Mim,
    Network, Optimisation, Phases, Preset, Pretraining, Settings, Subjects, TeacherStart,
};
use sampling::augment::{Augmentation, Chance};

/// Channels of the published network, finest resolution first.
pub const PAPER_CHANNELS: [usize; 7] = [32, 64, 128, 256, 512, 512, 512];

impl Settings {
    /// The settings of a preset.
    pub fn preset(preset: Preset, method: Method) -> Self {
        let paper = Self::paper(method);
        match preset {
            Preset::Paper => paper,
            Preset::Small => paper.small(),
            Preset::Demo => paper.small().demo(),
        }
    }

    /// The published study.
    fn paper(method: Method) -> Self {
        Settings {
            preset: Preset::Paper,
            method,
            seed: 0,
            labelled: 0,
            subjects: Subjects {
                split: None,
                labelled_split: None,
                subsets: vec![],
                test_share: 0.25,
                valid_share: 0.2,
                split_seed: None,
                vendors: vec![],
                phantom: 60,
                phantom_seed: 0,
            },
            network: Network {
                channels: PAPER_CHANNELS.to_vec(),
                size: 256,
                spacing: 1.25,
                heads: -1,
            },
            pretrain: Pretraining {
                optimisation: pretraining_steps(method),
                augmentation: match method {
                    Method::Dino => Augmentation::dino(),
                    _ => Augmentation::default(),
                },
                centre: Centre::Labels,
                validate_every: 1,
                contrastive: Contrastive {
                    temperature: 0.1,
                    threshold: 0.1,
                    cyclic: false,
                    mlp: vec![512, 512, 512],
                },
                dino: dino(),
                mim: Mim {
                    patch: [32, 32],
                    ratio: 0.75,
                    by_probability: false,
                    masking: Masking::Constant(0.0),
                },
            },
            finetune: Finetuning {
                optimisation: Optimisation {
                    epochs: 1000,
                    batch: 32,
                    decay: Decay::Polynomial,
                    ..steps(0.01, 0.99, 3e-5)
                },
                pretrained_learning_rate: 0.005,
                augmentation: Augmentation::default(),
                centre: Centre::Labels,
                phases: Phases::All,
                loss: Loss { cross_entropy: 0.5, dice: 0.5, class_weights: [0.0, 1.0, 1.0, 1.0] },
                frozen_epochs: 0,
                steps: 0,
                validate_every: 1,
                validate_steps: 0,
                patience: 0,
                min_delta: 0.0,
            },
            save_every: 30.0,
        }
    }

    fn small(mut self) -> Self {
        self.preset = Preset::Small;
        self.network.channels = vec![16, 32, 64, 128, 128];
        self.network.size = 128;
        self.network.spacing = 2.0;
        let Pretraining { optimisation, contrastive, dino, mim, .. } = &mut self.pretrain;
        optimisation.batch = if self.method == Method::Mim { 16 } else { 32 };
        optimisation.epochs = 40;
        optimisation.mixed_precision = true;
        optimisation.warmup_epochs = optimisation.warmup_epochs.min(4);
        contrastive.mlp = vec![128, 128, 128];
        dino.local_size = 64;
        dino.hidden = 512;
        dino.bottleneck = 64;
        dino.outputs = 1024;
        dino.teacher_temperature_epochs = 12;
        mim.patch = [16, 16];
        self.pretrain.validate_every = 5;
        self.finetune.optimisation.batch = 16;
        self.finetune.optimisation.epochs = 80;
        self.finetune.validate_every = 5;
        self
    }

    fn demo(mut self) -> Self {
        self.preset = Preset::Demo;
        self.subjects.phantom = 32;
        self.network.size = 96;
        self.network.spacing = 2.5;
        self.network.channels = vec![16, 32, 64, 64];
        let Pretraining { optimisation, dino, mim, validate_every, .. } = &mut self.pretrain;
        *validate_every = 1;
        optimisation.epochs = 3;
        optimisation.warmup_epochs = optimisation.warmup_epochs.min(1);
        dino.local_size = 48;
        dino.teacher_temperature_epochs = 1;
        mim.patch = [12, 12];
        if self.method == Method::Mim {
            optimisation.momentum = 0.9;
            optimisation.learning_rate = 0.1;
        }
        // A momentum of 0.99 takes hundreds of steps to build up, more than the demo has.
        self.finetune.optimisation.epochs = 14;
        self.finetune.optimisation.batch = 8;
        self.finetune.optimisation.momentum = 0.9;
        self.finetune.optimisation.learning_rate = 0.1;
        self.finetune.pretrained_learning_rate = 0.1;
        self.finetune.validate_every = 2;
        self
    }
}

/// Stochastic gradient descent with the values shared by most stages. The study uses Nesterov's form
/// with a momentum of 0.99.
fn steps(learning_rate: f64, momentum: f64, weight_decay: f64) -> Optimisation {
    Optimisation {
        epochs: 100,
        batch: 64,
        learning_rate,
        rate_per_256: false,
        decay: Decay::Cosine,
        warmup_epochs: 0,
        final_learning_rate: 0.0,
        power: 0.9,
        momentum,
        nesterov: momentum > 0.95,
        weight_decay,
        final_weight_decay: None,
        decay_matrices_only: false,
        mixed_precision: true,
    }
}

fn pretraining_steps(method: Method) -> Optimisation {
    match method {
        // The study has no mixed precision here.
        Method::Pcl => Optimisation { mixed_precision: false, ..steps(0.1, 0.9, 1e-5) },
        Method::Scratch => steps(0.1, 0.9, 1e-5),
        Method::SimClr => Optimisation { batch: 224, ..steps(0.1, 0.9, 1e-4) },
        Method::Mim => Optimisation { batch: 128, ..steps(0.01, 0.99, 3e-5) },
        Method::Dino => Optimisation {
            rate_per_256: true,
            decay: Decay::WarmupCosine,
            warmup_epochs: 10,
            final_learning_rate: 1e-6,
            decay_matrices_only: true,
            ..steps(0.03, 0.9, 1e-4)
        },
    }
}

fn dino() -> Dino {
    let unchanged = AugmentationChange::default();
    let scale = |low, high| Some(Chance::new(1.0, low, high));
    // sqrt(0.14) and sqrt(0.05) of the largest scale: the areas of DINO's random crops.
    Dino {
        local_views: 6,
        local_size: 128,
        first: AugmentationChange {
            blur: Some(Chance::new(1.0, 0.1, 2.0)),
            scale: scale(0.524, 1.4),
            ..unchanged
        },
        second: AugmentationChange { solarise: Some(0.2), scale: scale(0.524, 1.4), ..unchanged },
        // Published as 160 pixels of the local view's 128, which are 320 of 256.
        local: AugmentationChange {
            translation: Some(Chance::new(1.0, -320.0, 320.0)),
            scale: scale(0.313, 0.524),
            ..unchanged
        },
        hidden: 2048,
        bottleneck: 256,
        outputs: 8192,
        batch_norm: true,
        fixed_magnitude: true,
        student_temperature: 0.1,
        teacher_temperature: 0.04,
        first_teacher_temperature: 0.02,
        teacher_temperature_epochs: 30,
        centre_momentum: 0.9,
        teacher_momentum: 0.996,
        teacher_start: TeacherStart::Own,
        frozen_last_layer_epochs: 1,
        checkpoint_every: 10,
    }
}
