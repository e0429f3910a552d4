//! DINO: a student learns to say of a small view what its teacher says of a large one.
//!
//! Caron et al., *Emerging properties in self-supervised vision transformers* (ICCV 2021), with a
//! convolutional encoder as the study has it.

use kernels::dino_loss::{DinoLoss, dino_loss, move_centre};
use nn::schedule::{cosine, linear};
use nn::{
    DinoHeadSettings, DinoNet, Encoder, Follower, Init, Mode, Module, Precision, Slot, widened,
};
use tensor::{DType, Number, Tensor, without_tape};

use super::{DTYPE, Inputs, Pretext, Step, Task, network};
use crate::Result;
use sampling::augment::Grid;
use sampling::sampler::{Arrangement, Batch, Crops};
use settings::{self, Settings, TeacherStart};

/// A student on all views, a teacher on the global ones that follows it slowly, and the centre of
/// the teacher's outputs.
pub struct Dino {
    student: DinoNet,
    beside: Beside,
    follower: Follower,
    precision: Precision,
    settings: settings::Dino,
}

/// What changes along with the student.
struct Beside {
    teacher: DinoNet,
    /// `[outputs]`.
    centre: Tensor,
}

impl Dino {
    /// Two global views of each slice, each augmented in its own way; and local ones, if any.
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

    /// A new student and teacher, drawn from the run's seed.
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
        teacher.freeze(&|_| true);
        let centre = Init::new(seed, 0, dtype).constant([dino.outputs], 0.0)?;
        let (beside, follower) = (Beside { teacher, centre }, Follower::default());
        let precision = Precision::default();
        Ok(Dino { student, beside, follower, precision, settings: dino.clone() })
    }

    /// What student and teacher say of a batch of views, global ones first, and the loss of it. The
    /// centre moves towards what the teacher said.
    ///
    /// # Errors
    /// When the views do not fit the network.
    pub fn compare(
        &mut self,
        views: &[&Tensor],
        teacher_temperature: impl Into<Number>,
    ) -> Result<Comparison> {
        let Dino { student, beside: Beside { teacher, centre }, precision, settings, .. } = self;
        let views = views.iter().map(|view| precision.images(view));
        let views = views.collect::<tensor::Result<Vec<Tensor>>>()?;
        let views: Vec<&Tensor> = views.iter().collect();
        let taught = without_tape(|| teacher.forward(&views[..1], Mode::Train))?;
        let taught = widened(&taught)?;
        let said = widened(&student.forward(&views, Mode::Train)?)?;
        let settings = DinoLoss {
            views: 2 + settings.local_views,
            student_temperature: settings.student_temperature,
            teacher_temperature: teacher_temperature.into(),
        };
        let loss = dino_loss(&said, &taught, centre, &settings)?;
        move_centre(centre, &taught, self.settings.centre_momentum)?;
        Ok(Comparison { student: said, teacher: taught, loss })
    }

    /// Moves the teacher towards the student, keeping a share `momentum` of it.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn teach(&mut self, momentum: impl Into<Number>) -> Result<()> {
        Ok(self.follower.follow(&mut self.beside.teacher, &mut self.student, momentum)?)
    }
}

/// What student and teacher say of a batch, and how far they are apart.
pub struct Comparison {
    /// `[views * slices, outputs]`, view by view.
    pub student: Tensor,
    /// `[2 * slices, outputs]`, of the global views.
    pub teacher: Tensor,
    /// The loss, on the tape.
    pub loss: Tensor,
}

impl Module for Beside {
    fn visit(&mut self, path: &str, visitor: &mut dyn FnMut(&str, Slot<'_>)) {
        let name = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        self.teacher.visit(&name("teacher"), visitor);
        visitor(&name("centre"), Slot::Buffer(&mut self.centre));
    }
}

impl Task for Dino {
    fn network(&mut self) -> &mut dyn Module {
        &mut self.student
    }

    fn companion(&mut self) -> Option<&mut dyn Module> {
        Some(&mut self.beside)
    }

    fn is_frozen(&self, name: &str, epoch: usize) -> bool {
        epoch < self.settings.frozen_last_layer_epochs && name.contains("last_layer")
    }

    /// Views by size; the teacher's temperature, and the share of the teacher that an update keeps.
    fn inputs(&mut self, batch: &[Batch], step: Step) -> Result<Inputs> {
        let temperature = linear(
            self.settings.first_teacher_temperature,
            self.settings.teacher_temperature,
            step.epoch,
            self.settings.teacher_temperature_epochs,
        );
        let (number, total) = (step.number as usize, step.total as usize);
        let momentum = cosine(self.settings.teacher_momentum, 1.0, number, total);
        Ok(Inputs {
            tensors: batch.iter().map(|part| part.images.clone()).collect(),
            numbers: vec![temperature.into(), momentum.into()],
        })
    }

    fn loss(&mut self, inputs: &Inputs) -> Result<Tensor> {
        let views: Vec<&Tensor> = inputs.tensors.iter().collect();
        Ok(self.compare(&views, &inputs.numbers[0])?.loss)
    }

    fn updated(&mut self, inputs: &Inputs) -> Result<()> {
        self.teach(&inputs.numbers[1])
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

    fn values(module: &mut dyn Module) -> Vec<(String, Vec<f64>)> {
        let mut all = Vec::new();
        module.visit("", &mut |name, slot| {
            if let Slot::Parameter(parameter) = slot {
                all.push((name.to_owned(), parameter.tensor().to_f64()));
            }
        });
        all
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
    fn the_teacher_starts_as_asked_and_follows_slowly() {
        let start = |start| {
            let mut task = Dino::new(&small(start)).unwrap();
            (values(&mut task.student), values(&mut task.beside.teacher))
        };
        let (student, teacher) = start(TeacherStart::Student);
        assert_eq!(student, teacher);
        let (student, teacher) = start(TeacherStart::Own);
        assert_ne!(student, teacher);

        let mut task = Dino::new(&small(TeacherStart::Own)).unwrap();
        let inputs = task.inputs(&[], Step { epoch: 0, number: 0, total: 100 }).unwrap();
        task.updated(&inputs).unwrap();
        for ((moved, before), goal) in
            values(&mut task.beside.teacher).iter().zip(&teacher).zip(&student)
        {
            for ((moved, before), goal) in moved.1.iter().zip(&before.1).zip(&goal.1) {
                assert!((moved - (0.996 * before + 0.004 * goal)).abs() < 1e-6);
            }
        }
    }

    /// The teacher is outside of the tape, and its batch norms and centre move nonetheless.
    #[test]
    fn the_teacher_costs_no_tape() {
        let mut task = Dino::new(&small(TeacherStart::Own)).unwrap();
        let [global, local] = views(1);
        let Comparison { teacher, loss, .. } = task.compare(&[&global, &local], 0.04).unwrap();
        let nothing = Tensor::zeros::<f32>(teacher.shape());
        assert!(teacher.backward_from(nothing).is_err(), "nothing is recorded");
        let gradients = loss.backward().unwrap();
        let mut without = 0;
        task.beside.visit("", &mut |name, slot| match slot {
            Slot::Parameter(parameter) => {
                assert!(gradients.get(parameter.tensor()).is_none(), "{name}");
                without += 1;
            }
            Slot::Buffer(buffer) if name.ends_with("running_mean") || name == "centre" => {
                assert!(buffer.to_f64().iter().any(|&v| v != 0.0), "{name} has not moved");
            }
            _ => {}
        });
        assert!(without > 0);
    }

    #[test]
    fn the_last_layer_waits_for_an_epoch() {
        let task = Dino::new(&small(TeacherStart::Own)).unwrap();
        let last = "head.last_layer.parametrizations.weight.original1";
        assert!(task.is_frozen(last, 0) && !task.is_frozen(last, 1));
        assert!(!task.is_frozen("head.mlp.0.weight", 0));
    }
}
