//! DINO: a student learns to predict from a local view what its teacher predicts from a global one.
//!
//! Caron et al., *Emerging properties in self-supervised vision transformers* (ICCV 2021), with a
//! convolutional encoder.

use kernels::dino_loss::{DinoLoss, dino_loss, move_centre};
use nn::schedule::{cosine, linear};
use nn::{
    Buffer, DinoHeadSettings, DinoNet, Encoder, Init, Mode, Module, MovingAverage, Precision,
    module, widened,
};
use tensor::{DType, ScalarArg, Tensor, no_grad};

use super::inputs::step_inputs;
use super::{DTYPE, Pretext, Step, Task, network};
use crate::{Error, Result};
use sampling::augment::Grid;
use sampling::sampler::{Arrangement, Batch, Crops};
use settings::{self, Settings, TeacherStart};

/// A student that sees all views, a teacher whose weights are a moving average of the student's and
/// which sees the global views, and the centre of the teacher's outputs.
pub struct Dino {
    student: DinoNet,
    teacher: DinoNet,
    /// `[outputs]`.
    centre: Buffer,
    moving_average: MovingAverage,
    precision: Precision,
    settings: settings::Dino,
}

module!(Dino { student as "", teacher, centre });

/// Views of the same slices, and the schedules of the teacher.
pub struct DinoInputs {
    /// Two global views of each slice, `[2 slices, rows, columns, 1]`, view by view.
    pub global: Tensor,
    /// Local views of each slice, `[views slices, rows, columns, 1]`, view by view, if there are any.
    pub local: Option<Tensor>,
    /// Temperature of the teacher's outputs.
    pub teacher_temperature: ScalarArg,
    /// Share of the teacher that an update keeps.
    pub teacher_momentum: ScalarArg,
}

step_inputs!(DinoInputs { global, local, teacher_temperature, teacher_momentum });

impl Dino {
    /// Two global views of each slice, with different augmentations; and local ones, if any.
    pub fn crops(settings: &Settings) -> Vec<Crops> {
        let dino = &settings.pretrain.dino;
        let base = &settings.pretrain.augmentation;
        let crops = |size: usize, views, first| Crops {
            target: Grid::square(size, settings.network.spacing),
            views,
            centre: settings.pretrain.centre,
            first,
            arrangement: Arrangement::ByView,
        };
        let global = [dino.first, dino.second].map(|change| Some(change.applied(base)));
        let local = vec![Some(dino.local.applied(base)); dino.local_views];
        let mut all = vec![crops(settings.network.size, global.to_vec(), 0)];
        if !local.is_empty() {
            all.push(crops(dino.local_size, local, 2));
        }
        all
    }

    /// A new student and teacher, initialised from the run's seed.
    ///
    /// # Errors
    /// When the settings make no network.
    pub fn new(settings: &Settings) -> Result<Self> {
        let channels = &settings.network.channels;
        let task = Self::of(&settings.pretrain.dino, channels, settings.seed, DTYPE)?;
        Ok(Dino {
            precision: Precision::mixed(settings.pretrain.optimisation.mixed_precision),
            ..task
        })
    }

    /// The same from its parts, computing in `dtype`.
    ///
    /// # Errors
    /// When the settings make no network.
    pub fn of(dino: &settings::Dino, channels: &[usize], seed: u64, dtype: DType) -> Result<Self> {
        let head = DinoHeadSettings {
            hidden: dino.hidden,
            bottleneck: dino.bottleneck,
            outputs: dino.outputs,
            batch_norm: dino.batch_norm,
            fixed_magnitude: dino.fixed_magnitude,
        };
        let net = |number, head| DinoNet::new(&mut Init::new(seed, number, dtype), channels, head);
        let student = net(network::PRETEXT, &head)?;
        let mut teacher = match dino.teacher_start {
            TeacherStart::Own => net(network::TEACHER, &head)?,
            TeacherStart::Student => net(network::PRETEXT, &head)?,
        };
        teacher.freeze(&|_| true)?;
        let centre = Init::new(seed, 0, dtype).constant([dino.outputs], 0.0)?;
        Ok(Dino {
            student,
            teacher,
            centre: Buffer::new(centre),
            moving_average: MovingAverage::default(),
            precision: Precision::default(),
            settings: dino.clone(),
        })
    }

    /// Compares the outputs of student and teacher on a batch of views, global ones first. The centre
    /// moves towards the teacher's outputs.
    ///
    /// # Errors
    /// When the views do not fit the network.
    pub fn compare(
        &mut self,
        views: &[&Tensor],
        teacher_temperature: impl Into<ScalarArg>,
    ) -> Result<Comparison> {
        let Dino { student, teacher, centre, precision, settings, .. } = self;
        let views = views.iter().map(|view| precision.images(view));
        let views = views.collect::<tensor::Result<Vec<Tensor>>>()?;
        let views: Vec<&Tensor> = views.iter().collect();
        let of_teacher = no_grad(|| teacher.forward(&views[..1], Mode::Train))?;
        let of_teacher = widened(&of_teacher)?;
        let of_student = widened(&student.forward(&views, Mode::Train)?)?;
        let loss_settings = DinoLoss {
            views: 2 + settings.local_views,
            student_temperature: settings.student_temperature,
            teacher_temperature: teacher_temperature.into(),
        };
        let loss = dino_loss(&of_student, &of_teacher, centre.tensor(), &loss_settings)?;
        move_centre(centre.tensor_mut(), &of_teacher, settings.centre_momentum)?;
        Ok(Comparison { student: of_student, teacher: of_teacher, loss })
    }

    /// Moves the teacher towards the student, keeping a share `momentum` of it.
    ///
    /// # Errors
    /// When a device fails.
    pub fn update_teacher(&mut self, momentum: impl Into<ScalarArg>) -> Result<()> {
        Ok(self.moving_average.update(&mut self.teacher, &self.student, momentum)?)
    }
}

/// The outputs of student and teacher on a batch, and their loss.
pub struct Comparison {
    /// `[views * slices, outputs]`, view by view.
    pub student: Tensor,
    /// `[2 * slices, outputs]`, of the global views.
    pub teacher: Tensor,
    /// The loss, on the tape.
    pub loss: Tensor,
}

impl Task for Dino {
    type Inputs = DinoInputs;

    fn network(&self) -> &dyn Module {
        &self.student
    }

    fn network_mut(&mut self) -> &mut dyn Module {
        &mut self.student
    }

    fn is_frozen(&self, name: &str, epoch: usize) -> bool {
        epoch < self.settings.frozen_last_layer_epochs && name.contains("last_layer")
    }

    fn inputs(&mut self, batch: &[Batch], step: Step) -> Result<DinoInputs> {
        let [global, local @ ..] = batch else {
            return Err(Error::Data("a batch without global views".into()));
        };
        let settings = &self.settings;
        let teacher_temperature = linear(
            settings.first_teacher_temperature,
            settings.teacher_temperature,
            step.epoch,
            settings.teacher_temperature_epochs,
        );
        let (number, total) = (step.number as usize, step.total as usize);
        Ok(DinoInputs {
            global: global.images.clone(),
            local: local.first().map(|local| local.images.clone()),
            teacher_temperature: teacher_temperature.into(),
            teacher_momentum: cosine(settings.teacher_momentum, 1.0, number, total).into(),
        })
    }

    fn loss(&mut self, inputs: &DinoInputs) -> Result<Tensor> {
        let views: Vec<&Tensor> = [&inputs.global].into_iter().chain(&inputs.local).collect();
        Ok(self.compare(&views, &inputs.teacher_temperature)?.loss)
    }

    fn after_update(&mut self, inputs: &DinoInputs) -> Result<()> {
        self.update_teacher(&inputs.teacher_momentum)
    }
}

impl Pretext for Dino {
    fn encoder(&mut self) -> &mut Encoder {
        self.student.encoder()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::{Method, Preset};

    fn small(start: TeacherStart) -> Settings {
        let mut settings = Settings::preset(Preset::Demo, Method::Dino);
        settings.network.channels = vec![4, 6];
        let dino = &mut settings.pretrain.dino;
        (dino.hidden, dino.bottleneck, dino.outputs, dino.local_views) = (8, 4, 12, 1);
        dino.teacher_start = start;
        settings
    }

    fn views(seed: usize) -> [Tensor; 2] {
        let noise = |images: usize, size: usize| {
            Tensor::build::<f32>([images, size, size, 1], |out| {
                let value = |i: usize| ((i + seed) * 2654435761 % 1009) as f32 / 500.0 - 1.0;
                out.iter_mut().enumerate().for_each(|(i, out)| *out = value(i));
            })
        };
        [noise(6, 16), noise(3, 8)]
    }

    fn values(module: &dyn Module) -> Vec<(String, Vec<f64>)> {
        let parameters = module.named_parameters().into_iter();
        parameters.map(|(name, parameter)| (name, parameter.tensor().to_f64())).collect()
    }

    #[test]
    fn views_are_those_of_the_study() {
        let settings = Settings::preset(Preset::Paper, Method::Dino);
        let [global, local] = &Dino::crops(&settings)[..] else { panic!("two sizes") };
        assert_eq!((global.target.size, local.target.size), ([256; 2], [128; 2]));
        assert_eq!(global.target.spacing, local.target.spacing);
        assert_eq!((global.views.len(), local.views.len(), local.first), (2, 6, 2));
        let [Some(first), Some(second)] = global.views[..] else { panic!("augmented views") };
        assert_eq!((first.blur.probability, first.blur.range), (1.0, [0.1, 2.0]));
        assert_eq!((first.solarise, second.solarise), (0.0, 0.2));
        assert_eq!((second.blur.probability, second.scale.range), (0.1, [0.524, 1.4]));
        let local = local.views[0].unwrap();
        assert_eq!((local.scale.range, local.noise.probability), ([0.313, 0.524], 0.15));
        // 160 pixels of a local view, as [`draw`](sampling::augment::draw) scales them.
        assert_eq!(local.translation.range[1] * 128.0 / 256.0, 160.0);
    }

    #[test]
    fn the_teacher_starts_as_specified_and_follows_slowly() {
        let start = |start| {
            let task = Dino::new(&small(start)).unwrap();
            (values(&task.student), values(&task.teacher))
        };
        let (student, teacher) = start(TeacherStart::Student);
        assert_eq!(student, teacher);
        let (student, teacher) = start(TeacherStart::Own);
        assert_ne!(student, teacher);

        let mut task = Dino::new(&small(TeacherStart::Own)).unwrap();
        let batch = views(1).map(|images| Batch {
            images,
            labels: None,
            positions: vec![],
            slices: vec![],
        });
        let inputs = task.inputs(&batch, Step { epoch: 0, number: 0, total: 100 }).unwrap();
        task.after_update(&inputs).unwrap();
        for ((moved, before), goal) in values(&task.teacher).iter().zip(&teacher).zip(&student) {
            for ((moved, before), goal) in moved.1.iter().zip(&before.1).zip(&goal.1) {
                assert!((moved - (0.996 * before + 0.004 * goal)).abs() < 1e-6);
            }
        }
    }

    /// The teacher is not recorded on the tape, but its batch norms and the centre are updated.
    #[test]
    fn the_teacher_is_not_on_the_tape() {
        let mut task = Dino::new(&small(TeacherStart::Own)).unwrap();
        let [global, local] = views(1);
        let Comparison { teacher, loss, .. } = task.compare(&[&global, &local], 0.04).unwrap();
        let nothing = Tensor::zeros::<f32>(teacher.shape());
        assert!(teacher.backward_from(nothing).is_err(), "nothing is recorded");
        let gradients = loss.backward().unwrap();
        let parameters = task.teacher.parameters();
        assert!(!parameters.is_empty());
        assert!(parameters.iter().all(|parameter| gradients.get(parameter.tensor()).is_none()));
        let has_moved =
            |buffer: &Buffer| buffer.tensor().to_f64().iter().any(|&value| value != 0.0);
        assert!(has_moved(&task.centre));
        assert!(task.teacher.buffers().into_iter().all(has_moved), "running means among them");
    }

    #[test]
    fn the_last_layer_is_frozen_for_an_epoch() {
        let task = Dino::new(&small(TeacherStart::Own)).unwrap();
        let last = "head.last_layer.parametrizations.weight.original1";
        assert!(task.is_frozen(last, 0) && !task.is_frozen(last, 1));
        assert!(!task.is_frozen("head.mlp.0.weight", 0));
    }
}
