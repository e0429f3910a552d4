//! Against the formulas, value by value.

use tensor::random::{Purpose, Stream};

use super::*;

fn image(rows: usize, columns: usize) -> Vec<f64> {
    let mut stream = Stream::new(5, Purpose::CHECK, 0, 0);
    (0..rows * columns).map(|_| stream.normal()).collect()
}

fn narrowed(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

#[track_caller]
fn close<T: Scalar>(found: &[T], wanted: &[f64], tolerance: f64) {
    for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!((found.to_f64() - wanted).abs() < tolerance, "at {i}: {found:?}, not {wanted}");
    }
}

#[test]
fn blur_is_the_double_sum() {
    for (rows, columns, sigma) in [(28, 33, [0.6, 1.4]), (5, 100, [2.0, 1.5]), (40, 1, [1.0, 0.5])]
    {
        let x = image(rows, columns);
        let [down, along] = sigma.map(smoothing_kernel);
        let mut wanted = vec![0.0; x.len()];
        for i in 0..rows {
            for j in 0..columns {
                for (a, u) in down.iter().enumerate() {
                    for (b, v) in along.iter().enumerate() {
                        let (p, q) = (i + a, j + b);
                        let (p, q) =
                            (p.wrapping_sub(down.len() / 2), q.wrapping_sub(along.len() / 2));
                        if p < rows && q < columns {
                            wanted[i * columns + j] += 2.0 * u * v * x[p * columns + q];
                        }
                    }
                }
                wanted[i * columns + j] -= 0.5;
            }
        }
        let mut out = vec![0.0; x.len()];
        blur(&x, columns, sigma, [2.0, -0.5], &mut out);
        close(&out, &wanted, 1e-12);
        let mut out = vec![0.0; x.len()];
        blur(&narrowed(&x), columns, sigma, [2.0, -0.5], &mut out);
        close(&out, &wanted, 2e-6);
    }
}

/// Taps of sigma 0.5 by MONAI's `gaussian_1d(0.5, 4, "erf")`: five, cut at two pixels.
#[test]
fn the_smoothing_kernel_is_cut_at_four_sigma() {
    let kernel = smoothing_kernel(0.5);
    close(&kernel, &[0.001_349_611, 0.157_305_4, 0.682_689_5, 0.157_305_4, 0.001_349_611], 1e-7);
    assert_eq!(smoothing_kernel(1.5).len(), 13);
    assert_eq!(smoothing_kernel(0.0), [1.0]);
}

#[test]
fn contrast_keeps_the_extremes() {
    let x = image(31, 17);
    let [low, high] = extremes(&x);
    let range = high - low;
    for gamma in [0.7, 1.0, 1.5] {
        let formula = |v: &f64| ((v - low) / (range + 1e-7)).powf(gamma) * range + low;
        let wanted: Vec<f64> = x.iter().map(formula).collect();
        let mut found = x.clone();
        contrast(&mut found, gamma);
        close(&found, &wanted, 1e-12);
        let mut found = narrowed(&x);
        contrast(&mut found, gamma);
        close(&found, &wanted, 5e-6);
    }
    let mut flat = vec![3.0f32; 100];
    contrast(&mut flat, 1.3);
    assert_eq!(flat, vec![3.0; 100]);
}

#[test]
fn standardised_solarised_and_extreme_values() {
    let mut x = vec![1.0, 2.0, 3.0, -4.0, 9.5];
    assert_eq!(extremes(&x), [-4.0, 9.5]);
    assert_eq!(extremes::<f32>(&[]), [0.0, 0.0]);
    solarise(&mut x, 2.0, 10.0);
    assert_eq!(x, [1.0, 2.0, 7.0, -4.0, 0.5]);
    let [scale, offset] = standardising(3.0, 2.0);
    let mut x = vec![3.0, 5.0, -1.0];
    affine(&mut x, scale, offset);
    assert_eq!(x, [0.0, 1.0, -2.0]);
}

#[test]
fn noise_is_normal_white_and_named() {
    let noise = Noise { seed: 9, epoch: 4, sample: 77, deviation: 2.0 };
    let draw = |noise: &Noise, n: usize| {
        let mut x = vec![0.0f32; n];
        add_noise(&mut x, noise);
        x
    };
    let x = draw(&noise, 1 << 18);
    let n = x.len() as f64;
    let moment = |k: i32| x.iter().map(|&v| (f64::from(v) / 2.0).powi(k)).sum::<f64>() / n;
    // Five standard errors of each moment of 2^18 normal numbers.
    assert!(moment(1).abs() < 0.01, "mean {}", moment(1));
    assert!((moment(2) - 1.0).abs() < 0.014, "variance {}", moment(2));
    assert!(moment(3).abs() < 0.038, "skew {}", moment(3));
    assert!((moment(4) - 3.0).abs() < 0.096, "kurtosis {}", moment(4));
    for lag in [1, 16, 32, 64, 256] {
        let product = |(a, b): (&f32, &f32)| f64::from(a * b) / 4.0;
        let correlation = x.iter().zip(&x[lag..]).map(product).sum::<f64>() / n;
        assert!(correlation.abs() < 0.01, "lag {lag}: {correlation}");
    }
    assert_eq!(draw(&noise, 1000), x[..1000], "a pixel's noise is that of its place");
    assert_ne!(draw(&Noise { sample: 78, ..noise }, 1000), x[..1000]);
    assert_ne!(draw(&Noise { epoch: 5, ..noise }, 1000), x[..1000]);
}
