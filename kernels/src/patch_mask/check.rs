//! Every fill, against the same draws applied pixel by pixel.

use tensor::random::{Purpose, Stream};

use super::cpu::BATCH;
use super::{Fill, PatchMask, patch_mask};
use crate::check::{Argument, Case};

const SEED: u64 = 11;
const STEP: u32 = 3;

/// Every fill.
const FILLS: [Fill; 8] = [
    Fill::Constant(-0.5),
    Fill::GaussianNoise,
    Fill::ShufflePixelsPatch,
    Fill::ShufflePixelsImage,
    Fill::ShufflePixelsBatch,
    Fill::ShufflePatchesImage,
    Fill::ShufflePatchesBatch,
    Fill::ReplacePatches,
];

/// Every fill by count and by probability; a tie of the count, no patch, every patch, patches of
/// one pixel, one patch to the image, several channels.
pub fn awkward() -> Vec<Case> {
    let shape = [3, 6, 8, 2];
    let settings = |fill| PatchMask { patch: [3, 2], ratio: 0.6, by_probability: false, fill };
    let mut cases = Vec::new();
    for fill in FILLS {
        cases.push(case(shape, settings(fill)));
        cases.push(case(shape, PatchMask { by_probability: true, ..settings(fill) }));
    }
    let noise = settings(Fill::GaussianNoise);
    cases.push(case([2, 3, 10, 1], PatchMask { ratio: 0.5, ..noise }));
    cases.push(case(shape, PatchMask { ratio: 0.0, ..noise }));
    cases.push(case(shape, PatchMask { ratio: 1.0, ..settings(Fill::ShufflePatchesBatch) }));
    cases.push(case(shape, PatchMask { patch: [1, 1], ..settings(Fill::ShufflePatchesImage) }));
    cases.push(case(shape, PatchMask { patch: [6, 8], ..settings(Fill::ReplacePatches) }));
    cases
}

/// Any fill on any small batch.
pub fn random(stream: &mut Stream) -> Case {
    let patch = [1 + stream.below(4), 1 + stream.below(4)];
    let [rows, columns] = patch.map(|extent| extent * (1 + stream.below(4)));
    let settings = PatchMask {
        patch,
        ratio: stream.uniform(0.0, 1.0),
        by_probability: stream.chance(0.5),
        fill: FILLS[stream.below(FILLS.len())],
    };
    case([2 + stream.below(3), rows, columns, 1 + stream.below(2)], settings)
}

fn case(shape: [usize; 4], settings: PatchMask) -> Case {
    Case::without_gradient(
        format!("{shape:?}, {settings:?}"),
        vec![Argument::normal(shape)],
        move |x| {
            let masked = patch_mask(&x[0], &settings, SEED, STEP)?;
            Ok(vec![masked.images, masked.mask])
        },
        move |x| pixel_by_pixel(&x[0], shape, settings),
    )
}

/// A pixel as image, row and column.
type Place = [usize; 3];

/// Images and mask, by coordinates and with a list of places for every group that is shuffled.
fn pixel_by_pixel(x: &[f64], shape: [usize; 4], settings: PatchMask) -> Vec<Vec<f64>> {
    let [n, rows, columns, channels] = shape;
    let [height, width] = settings.patch;
    let patches = rows / height * (columns / width);
    let index = |[image, row, column]: Place| (image * rows + row) * columns + column;
    let of_patch = |image: usize, patch: usize| -> Vec<Place> {
        let (top, left) = (patch / (columns / width) * height, patch % (columns / width) * width);
        let place = |i: usize| [image, top + i / width, left + i % width];
        (0..height * width).map(place).collect()
    };
    let mut out = x.to_vec();
    let mut mask = vec![0.0; n * rows * columns];
    let mut set = |to: Place, value: &mut dyn FnMut(usize) -> f64| {
        (0..channels).for_each(|c| out[index(to) * channels + c] = value(c));
    };
    let at = |from: Place| move |c: usize| x[index(from) * channels + c];
    // Groups in which the items change places; an item is the pixels that stay together.
    let mut groups: Vec<(Vec<Vec<Place>>, Stream)> = Vec::new();
    let mut whole = (Vec::new(), Stream::new(SEED, Purpose::MASK, STEP, BATCH));
    for image in 0..n {
        let mut stream = Stream::new(SEED, Purpose::MASK, STEP, image as u32);
        let hidden = hidden(patches, settings, &mut stream);
        let pixels = |patch| of_patch(image, patch).into_iter().map(|place| vec![place]);
        let mut own = Vec::new();
        for patch in hidden {
            of_patch(image, patch).into_iter().for_each(|place| mask[index(place)] = 1.0);
            match settings.fill {
                Fill::Constant(value) => {
                    of_patch(image, patch).into_iter().for_each(|to| set(to, &mut |_| value));
                }
                Fill::GaussianNoise => {
                    let places = of_patch(image, patch).into_iter();
                    places.for_each(|to| set(to, &mut |_| stream.normal()));
                }
                Fill::ReplacePatches => {
                    let others: Vec<usize> = (0..n).filter(|&other| other != image).collect();
                    let other = others[stream.below(others.len())];
                    let places = of_patch(image, patch).into_iter();
                    places.for_each(|to| set(to, &mut at([other, to[1], to[2]])));
                }
                Fill::ShufflePixelsPatch => {
                    let mut items: Vec<_> = pixels(patch).collect();
                    let targets = items.concat();
                    stream.shuffle(&mut items);
                    let moves = targets.into_iter().zip(items.concat());
                    moves.for_each(|(to, from)| set(to, &mut at(from)));
                }
                Fill::ShufflePixelsImage => own.extend(pixels(patch)),
                Fill::ShufflePatchesImage => own.push(of_patch(image, patch)),
                Fill::ShufflePixelsBatch => whole.0.extend(pixels(patch)),
                Fill::ShufflePatchesBatch => whole.0.push(of_patch(image, patch)),
            }
        }
        groups.push((own, stream));
    }
    groups.push(whole);
    for (mut items, mut stream) in groups {
        let targets = items.concat();
        stream.shuffle(&mut items);
        let moves = targets.into_iter().zip(items.concat());
        moves.for_each(|(to, from)| set(to, &mut at(from)));
    }
    vec![out, mask]
}

/// The hidden patches of an image, in increasing order.
fn hidden(patches: usize, settings: PatchMask, stream: &mut Stream) -> Vec<usize> {
    if settings.by_probability {
        return (0..patches).filter(|_| stream.uniform(0.0, 1.0) < settings.ratio).collect();
    }
    let wanted = settings.ratio * patches as f64;
    let below = wanted.floor();
    let up = wanted - below > 0.5 || (wanted - below == 0.5 && below % 2.0 == 1.0);
    let mut order: Vec<usize> = (0..patches).collect();
    stream.shuffle(&mut order);
    let mut hidden = order[..below as usize + usize::from(up)].to_vec();
    hidden.sort_unstable();
    hidden
}
