//! DINO's loss: self-distillation between views of an image, without labels.
//!
//! Caron, Touvron, Misra, Jégou, Mairal, Bojanowski, Joulin, *Emerging properties in
//! self-supervised vision transformers* (ICCV 2021).

pub mod check;
mod cpu;
pub(crate) mod cuda;

use tensor::{DType, Error, Result, ScalarArg, Shape, Tensor, same_device, with_device};

/// Views that the teacher sees: the global crops, which come first among the student's views.
const GLOBAL_VIEWS: usize = 2;

/// Settings of the loss.
#[derive(Clone, Debug, PartialEq)]
pub struct DinoLoss {
    /// Views of each image that the student sees: two global ones, then the local ones.
    pub views: usize,
    /// Temperature that the student's outputs are divided by.
    pub student_temperature: f64,
    /// Temperature that the teacher's outputs are divided by, after centring.
    pub teacher_temperature: ScalarArg,
}

/// Cross entropy of every view of the student against every other global view of the teacher, as
/// a scalar.
///
/// With `q = softmax((teacher - centre) / teacher temperature)` of global view `i`, and
/// `z = student / student temperature` of view `j`,
///
/// ```text
/// loss = mean over pairs i ≠ j of the mean over images of  - Σ q_i ln softmax(z_j)
/// ```
///
/// so there are `2 views - 2` pairs. Teacher and centre are constants: there is a gradient with
/// respect to the student alone. The largest output is taken out of the exponentials, so that a low
/// temperature does not overflow.
///
/// | tensor | shape |
/// |---|---|
/// | `student` | `[views * batch, outputs]`: all images of view 0, then all of view 1, ... |
/// | `teacher` | `[2 * batch, outputs]`, likewise |
/// | `centre` | `[outputs]` |
///
/// # Errors
/// When shapes or dtypes do not fit each other, there are fewer than two views, or a temperature is
/// not positive.
pub fn dino_loss(
    student: &Tensor,
    teacher: &Tensor,
    centre: &Tensor,
    settings: &DinoLoss,
) -> Result<Tensor> {
    let size = Size::of(student, teacher, centre, settings.views)?;
    let DinoLoss { student_temperature, teacher_temperature, .. } = settings;
    for (temperature, whose) in
        [(*student_temperature, "student"), (teacher_temperature.value(), "teacher")]
    {
        if !temperature.is_finite() || temperature <= 0.0 {
            let what = format!("the {whose}'s temperature of {temperature} is not positive");
            return Err(Error::value("dino_loss", what));
        }
    }
    same_device("dino_loss", [student, teacher, centre])?;
    with_device!("dino_loss", student,
        gpu => {
            let (loss, slopes) = cuda::forward(gpu, [student, teacher, centre], size, settings)?;
            Ok(loss.recorded("dino_loss", &[student], move |gradient, _| {
                Ok(vec![Some(cuda::backward(slopes, &gradient)?)])
            }))
        },
        T => {
            let (loss, slopes) = cpu::forward::<T>(student, teacher, centre, size, settings);
            let loss = Tensor::scalar(<T as tensor::Feature>::from_f64(loss));
            Ok(loss.recorded("dino_loss", &[student], move |gradient, _| {
                Ok(vec![Some(cpu::backward::<T>(slopes, gradient.item()?, size))])
            }))
        }
    )
}

/// Moves the centre after a batch, in place:
/// `centre = momentum · centre + (1 - momentum) · mean over rows of teacher`.
///
/// | tensor | shape |
/// |---|---|
/// | `centre` | `[outputs]` |
/// | `teacher` | `[rows, outputs]` |
///
/// It is no operation of the tape.
///
/// # Errors
/// When shapes or dtypes do not fit, there is no row, or the momentum is not from 0 to 1.
pub fn move_centre(centre: &mut Tensor, teacher: &Tensor, momentum: f64) -> Result<()> {
    let outputs = centre.shape().elements();
    let rows = match (teacher.shape().as_array(), centre.shape().as_array()) {
        (Some([rows, width]), Some([_])) if rows > 0 && width == outputs => rows,
        _ => {
            let what = format!(
                "teacher {} and centre {} are not [rows, outputs] and [outputs]",
                teacher.shape(),
                centre.shape()
            );
            return Err(Error::shape("move_centre", what));
        }
    };
    alike("move_centre", teacher.dtype(), &[("centre", centre)])?;
    if !(0.0..=1.0).contains(&momentum) {
        let what = format!("a momentum of {momentum} is not from 0 to 1");
        return Err(Error::value("move_centre", what));
    }
    same_device("move_centre", [teacher, &*centre])?;
    with_device!("move_centre", teacher,
        gpu => cuda::move_centre(gpu, centre, teacher, rows, momentum),
        T => {
            let centre = centre.memory_mut()?.as_mut_slice::<T>();
            cpu::move_centre::<T>(centre, teacher, rows, momentum);
            Ok(())
        }
    )
}

/// Tensors have the dtype of the rows beside them.
fn alike(operation: &'static str, dtype: DType, others: &[(&str, &Tensor)]) -> Result<()> {
    match others.iter().find(|(_, other)| other.dtype() != dtype) {
        None => Ok(()),
        Some((name, other)) => {
            let what = format!("a {name} of {} with rows of {dtype}", other.dtype());
            Err(Error::shape(operation, what))
        }
    }
}

/// Extents of the problem.
#[derive(Clone, Copy)]
struct Size {
    views: usize,
    batch: usize,
    outputs: usize,
}

impl Size {
    fn of(student: &Tensor, teacher: &Tensor, centre: &Tensor, views: usize) -> Result<Self> {
        if views < GLOBAL_VIEWS {
            let what = format!("{views} views: there must be the two global ones at least");
            return Err(Error::value("dino_loss", what));
        }
        alike("dino_loss", student.dtype(), &[("teacher", teacher), ("centre", centre)])?;
        if let (Some([rows, outputs]), Some([teacher_rows, teacher_outputs])) =
            (student.shape().as_array(), teacher.shape().as_array())
        {
            let batch = rows / views;
            let fits = rows == views * batch && teacher_rows == GLOBAL_VIEWS * batch;
            let alike = teacher_outputs == outputs && centre.shape() == Shape::from([outputs]);
            if fits && alike && batch > 0 && outputs > 0 {
                return Ok(Size { views, batch, outputs });
            }
        }
        let what = format!(
            "student {}, teacher {} and centre {} are not [{views} * batch, outputs], \
             [2 * batch, outputs] and [outputs]",
            student.shape(),
            teacher.shape(),
            centre.shape()
        );
        Err(Error::shape("dino_loss", what))
    }

    /// Pairs of a global view of the teacher and another view of the student.
    fn pairs(self) -> usize {
        GLOBAL_VIEWS * (self.views - 1)
    }
}

#[cfg(test)]
mod tests {
    use tensor::random::{Purpose, Stream};

    use super::*;

    fn study() -> DinoLoss {
        DinoLoss { views: 8, student_temperature: 0.1, teacher_temperature: 0.04.into() }
    }

    fn normal(shape: [usize; 2], deviation: f64) -> Tensor {
        let mut stream = Stream::new(4, Purpose::CHECK, 0, shape[0] as u32);
        let draw = || (deviation * stream.normal()) as f32;
        Tensor::build::<f32>(shape, |out| out.fill_with(draw))
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (student, teacher) = (normal([16, 5], 1.0), normal([4, 5], 1.0));
        let centre = Tensor::zeros::<f32>([5]);
        let refusal = |teacher: &Tensor, settings: DinoLoss| {
            dino_loss(&student, teacher, &centre, &settings).unwrap_err().to_string()
        };
        assert_eq!(
            refusal(&normal([6, 5], 1.0), study()),
            "dino_loss: student [16, 5], teacher [6, 5] and centre [5] are not \
             [8 * batch, outputs], [2 * batch, outputs] and [outputs]"
        );
        assert!(refusal(&teacher, DinoLoss { views: 7, ..study() }).contains("[7 * batch"));
        assert!(refusal(&teacher, DinoLoss { views: 1, ..study() }).contains("1 views"));
        let cold = DinoLoss { teacher_temperature: 0.0.into(), ..study() };
        assert!(refusal(&teacher, cold).contains("teacher's temperature of 0 is not positive"));
        let double = Tensor::zeros::<f64>([4, 5]);
        assert!(refusal(&double, study()).contains("a teacher of f64 with rows of f32"));
        let mut centre = centre;
        assert!(move_centre(&mut centre, &normal([4, 6], 1.0), 0.9).is_err());
        assert!(move_centre(&mut centre, &teacher, 1.1).is_err());
    }

    #[test]
    fn a_low_temperature_does_not_overflow() {
        let (student, teacher) = (normal([16, 40], 1.0).parameter(), normal([4, 40], 1.0));
        let cold =
            DinoLoss { student_temperature: 1e-4, teacher_temperature: 1e-5.into(), ..study() };
        let loss = dino_loss(&student, &teacher, &Tensor::zeros::<f32>([40]), &cold).unwrap();
        assert!(loss.item().unwrap().is_finite());
        let gradients = loss.backward().unwrap();
        assert!(gradients.get(&student).unwrap().to_f64().iter().all(|g| g.is_finite()));
    }

    /// A teacher that is certain of one output and a student that knows nothing.
    #[test]
    fn an_even_student_has_the_entropy_of_a_coin_with_that_many_sides() {
        let teacher = Tensor::build::<f32>([4, 64], |out| {
            out.chunks_mut(64).for_each(|row| {
                row.fill(0.0);
                row[7] = 100.0;
            });
        });
        let (student, centre) = (Tensor::zeros::<f32>([16, 64]), Tensor::zeros::<f32>([64]));
        let loss = dino_loss(&student, &teacher, &centre, &study()).unwrap().item().unwrap();
        assert!((loss - 64f64.ln()).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn the_bits_do_not_depend_on_the_number_of_threads() {
        let (student, teacher) = (normal([24, 1500], 1.0), normal([6, 1500], 1.0));
        let on_threads = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut centre = Tensor::zeros::<f32>([1500]);
                move_centre(&mut centre, &teacher, 0.9).unwrap();
                let student = Tensor::from_slice(student.data::<f32>(), [24, 1500]).unwrap();
                let student = student.parameter();
                let loss = dino_loss(&student, &teacher, &centre, &study()).unwrap();
                let total = loss.item().unwrap();
                (total, loss.backward().unwrap().get(&student).unwrap().to_f64())
            })
        };
        assert_eq!(on_threads(1), on_threads(3));
    }
}
