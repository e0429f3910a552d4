//! What each way of hiding promises, on batches of numbers that are all different.

use std::collections::BTreeSet;

use super::*;

const SHAPE: [usize; 4] = [4, 16, 24, 1];
const PIXELS: usize = 16 * 24;
const STUDY: PatchMask =
    PatchMask { patch: [4, 6], ratio: 0.75, by_probability: false, fill: Fill::Constant(0.0) };

/// Every value is its place in the batch.
fn images() -> Tensor {
    Tensor::build::<f32>(SHAPE, |out| {
        out.iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
    })
}

/// Masked values and mask.
fn masked(settings: PatchMask, seed: u64) -> (Vec<f64>, Vec<bool>) {
    let Masked { images, mask } = patch_mask(&images(), &settings, seed, 0).unwrap();
    (images.to_f64(), mask.data::<u8>().iter().map(|&m| m == 1).collect())
}

/// The patch that a pixel of the batch is in.
fn patch_of(pixel: usize) -> usize {
    let (row, column) = (pixel / 24, pixel % 24);
    row / 4 * 4 + column / 6
}

#[test]
fn every_image_has_its_count_of_whole_patches_and_images_differ() {
    let (_, mask) = masked(STUDY, 1);
    let mut patterns = BTreeSet::new();
    for image in mask.chunks(PIXELS) {
        assert_eq!(image.iter().filter(|&&hidden| hidden).count(), 12 * 24);
        patterns.insert(image.to_vec());
    }
    assert_eq!(patterns.len(), 4);
    let mut seen = [None; 64];
    for (pixel, &hidden) in mask.iter().enumerate() {
        assert_eq!(*seen[patch_of(pixel)].get_or_insert(hidden), hidden, "part of a patch");
    }
    assert_ne!(masked(STUDY, 2).1, mask, "another seed");
    assert_ne!(patch_mask(&images(), &STUDY, 1, 1).unwrap().mask.to_f64(), {
        mask.iter().map(|&m| f64::from(u8::from(m))).collect::<Vec<_>>()
    });
}

#[test]
fn a_tie_of_the_count_goes_to_the_even_number() {
    for (ratio, wanted) in [(0.15625, 2), (0.21875, 4), (0.0, 0), (1.0, 16)] {
        let (_, mask) = masked(PatchMask { ratio, ..STUDY }, 1);
        let hidden = mask[..PIXELS].iter().filter(|&&hidden| hidden).count();
        assert_eq!(hidden, wanted * 24, "{ratio} of 16 patches");
    }
}

#[test]
fn by_probability_patches_are_hidden_as_often_as_asked() {
    let settings = PatchMask { by_probability: true, ratio: 0.3, ..STUDY };
    let mut hidden = [0.0; 64];
    let mut counts = BTreeSet::new();
    for seed in 0..500 {
        let (_, mask) = masked(settings, seed);
        (0..mask.len()).filter(|&i| mask[i]).for_each(|i| hidden[patch_of(i)] += 1.0 / 24.0);
        counts.insert(mask[..PIXELS].iter().filter(|&&m| m).count());
    }
    // Five standard errors: of one patch 5 * sqrt(0.21 / 500), of all together an eighth of that.
    assert!(hidden.iter().all(|h| (h / 500.0f64 - 0.3).abs() < 0.103), "{hidden:?}");
    assert!((hidden.iter().sum::<f64>() / 32_000.0 - 0.3).abs() < 0.013);
    assert!(counts.len() > 5, "the count is not fixed");
}

#[test]
fn visible_pixels_keep_every_bit_whatever_the_fill() {
    for fill in [
        Fill::Constant(-1.5),
        Fill::GaussianNoise,
        Fill::ShufflePixelsPatch,
        Fill::ShufflePixelsImage,
        Fill::ShufflePixelsBatch,
        Fill::ShufflePatchesImage,
        Fill::ShufflePatchesBatch,
        Fill::ReplacePatches,
    ] {
        let (values, mask) = masked(PatchMask { fill, ..STUDY }, 5);
        let visible = || (0..values.len()).filter(|&i| !mask[i]);
        assert!(visible().count() > 0 && visible().all(|i| values[i] == i as f64), "{fill:?}");
        let moved = (0..values.len()).filter(|&i| mask[i] && values[i] != i as f64).count();
        assert!(moved > 576, "{fill:?} changes {moved} of 1152 hidden pixels");
    }
}

/// Values in hidden pixels are those that were there, within each group; and they leave the
/// smaller groups.
#[test]
fn shuffles_are_permutations_within_patch_image_and_batch() {
    type Group = fn(usize) -> usize;
    let (patch, image, batch): (Group, Group, Group) = (patch_of, |pixel| pixel / PIXELS, |_| 0);
    let cases = [
        (Fill::ShufflePixelsPatch, patch, None),
        (Fill::ShufflePixelsImage, image, Some(patch)),
        (Fill::ShufflePatchesImage, image, Some(patch)),
        (Fill::ShufflePixelsBatch, batch, Some(image)),
        (Fill::ShufflePatchesBatch, batch, Some(image)),
    ];
    for (fill, group, smaller) in cases {
        let (values, mask) = masked(PatchMask { fill, ..STUDY }, 7);
        let hidden: Vec<usize> = (0..values.len()).filter(|&i| mask[i]).collect();
        let mut sources: Vec<usize> = hidden.iter().map(|&i| values[i] as usize).collect();
        let stays = |(to, from): (&usize, &usize)| group(*to) == group(*from);
        assert!(hidden.iter().zip(&sources).all(stays), "{fill:?} leaves its group");
        if let Some(smaller) = smaller {
            let leaves = |(to, from): (&usize, &usize)| smaller(*to) != smaller(*from);
            assert!(hidden.iter().zip(&sources).any(leaves), "{fill:?} stays in a smaller group");
        }
        sources.sort_unstable();
        assert_eq!(sources, hidden, "{fill:?} loses or repeats a pixel");
    }
}

#[test]
fn shuffled_and_replaced_patches_stay_whole() {
    for fill in [Fill::ShufflePatchesImage, Fill::ShufflePatchesBatch, Fill::ReplacePatches] {
        let (values, mask) = masked(PatchMask { fill, ..STUDY }, 9);
        let place = |pixel: usize| [pixel / 24 % 4, pixel % 24 % 6];
        let mut source = [None; 64];
        for to in (0..values.len()).filter(|&i| mask[i]) {
            let from = values[to] as usize;
            assert_eq!(place(from), place(to), "{fill:?} turns a patch about");
            assert_eq!(*source[patch_of(to)].get_or_insert(patch_of(from)), patch_of(from));
        }
    }
}

#[test]
fn replaced_patches_come_from_every_other_image_alike() {
    let settings = PatchMask { fill: Fill::ReplacePatches, ..STUDY };
    let mut from_image = [[0.0; 4]; 4];
    for seed in 0..200 {
        let (values, mask) = masked(settings, seed);
        for to in (0..values.len()).filter(|&i| mask[i]) {
            let from = values[to] as usize;
            assert_eq!(from % PIXELS, to % PIXELS, "another place");
            from_image[to / PIXELS][from / PIXELS] += 1.0 / (200.0 * 12.0 * 24.0);
        }
    }
    // Five standard errors of 2400 patches.
    for (image, shares) in from_image.iter().enumerate() {
        for (other, share) in shares.iter().enumerate() {
            let wanted: f64 = if other == image { 0.0 } else { 1.0 / 3.0 };
            assert!((share - wanted).abs() <= 0.049 * wanted.signum(), "{from_image:?}");
        }
    }
}

#[test]
fn noise_is_standard_normal() {
    let settings = PatchMask { fill: Fill::GaussianNoise, ratio: 1.0, ..STUDY };
    let values: Vec<f64> = (0..50).flat_map(|seed| masked(settings, seed).0).collect();
    let n = values.len() as f64;
    let moment = |k: i32| values.iter().map(|v| v.powi(k)).sum::<f64>() / n;
    // Five standard errors of 76,800 normal numbers.
    assert!(moment(1).abs() < 0.018 && (moment(2) - 1.0).abs() < 0.026);
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    for fill in [Fill::GaussianNoise, Fill::ShufflePixelsBatch, Fill::ReplacePatches] {
        let on_threads = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| masked(PatchMask { fill, ..STUDY }, 3))
        };
        assert_eq!(on_threads(1), on_threads(3), "{fill:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let refusal = |shape: &[usize], settings: PatchMask| {
        patch_mask(&Tensor::zeros::<f32>(shape), &settings, 0, 0).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(&SHAPE, PatchMask { patch: [4, 5], ..STUDY }),
        "patch_mask: patches of 4 x 5 do not fill images of 16 x 24"
    );
    assert!(refusal(&SHAPE, PatchMask { patch: [0, 6], ..STUDY }).contains("0 x 6 do not fill"));
    assert!(refusal(&[16, 24], STUDY).contains("[16, 24] are not [n, rows, columns, channels]"));
    assert!(refusal(&SHAPE, PatchMask { ratio: 1.5, ..STUDY }).contains("1.5 is not from 0 to 1"));
    let replaced = PatchMask { fill: Fill::ReplacePatches, ..STUDY };
    assert_eq!(
        refusal(&[1, 16, 24, 1], replaced),
        "patch_mask: a batch of one image has no other to replace patches by"
    );
    let labels = patch_mask(&Tensor::zeros::<u8>(SHAPE), &STUDY, 0, 0).unwrap_err().to_string();
    assert_eq!(labels, "patch_mask: takes bf16, f32 or f64, not u8");
}
