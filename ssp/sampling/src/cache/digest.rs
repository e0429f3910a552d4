//! Digests of what training sees of a subject, and of its single slices.

use std::collections::BTreeSet;

use blake3::Hasher;

use super::entry::Entry;
use data::Stack;

/// What training sees of a subject, as hashes in hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Digests {
    /// Of the prepared voxels, their extents and spacing.
    pub image: String,
    /// Of the labels and the phases that they belong to.
    pub labels: String,
}

impl Digests {
    /// Those of a subject whose voxels, and labels of each frame, are these bytes.
    pub(super) fn of<'a>(
        entry: &Entry,
        voxels: &[u8],
        labels: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        let mut image = Hasher::new();
        for extent in entry.extents {
            image.update(&(extent as u64).to_le_bytes());
        }
        for spacing in entry.spacing {
            image.update(&spacing.to_le_bytes());
        }
        image.update(&(entry.encoding.bytes() as u64).to_le_bytes());
        image.update(voxels);
        let mut drawn = Hasher::new();
        for (frame, labels) in entry.frames.iter().zip(labels) {
            drawn.update(&(frame.phase as u64).to_le_bytes());
            drawn.update(&(frame.moment.len() as u64).to_le_bytes());
            drawn.update(frame.moment.as_bytes());
            drawn.update(labels);
        }
        let [image, labels] = [image, drawn].map(|hash| hash.finalize().to_hex().to_string());
        Digests { image, labels }
    }
}

/// The fewest pixels by which a slice is recognised, and the fewest intensities among them: masks and
/// lettering are alike in many slices.
const FEWEST: usize = 64;
const FEWEST_LEVELS: usize = 16;

/// Digests of the slices of a stack that are recognised in another file, rising, each once.
///
/// A digest does not depend on how a file stores a slice: on flips and turns, which programs make that
/// store every image in one orientation, on the scale of intensities, of which only the order counts, or
/// on padding, as outer rows and columns of one intensity are left out. Slices of which too little remains
/// have no digest.
pub(super) fn slices(stack: &Stack) -> Vec<u64> {
    let all = (0..stack.phases).flat_map(|phase| (0..stack.slices).map(move |s| (phase, s)));
    let digests = all.filter_map(|(phase, s)| slice(stack.slice(phase, s), stack.columns));
    digests.collect::<BTreeSet<_>>().into_iter().collect()
}

fn slice(pixels: &[f32], width: usize) -> Option<u64> {
    let (mut rows, mut columns) = (0..pixels.len() / width, 0..width);
    let row = |row: usize, columns: &std::ops::Range<usize>| {
        let line = &pixels[row * width..][columns.clone()];
        line.iter().all(|pixel| *pixel == line[0])
    };
    let column = |column: usize, rows: &std::ops::Range<usize>| {
        rows.clone().all(|r| pixels[r * width + column] == pixels[rows.start * width + column])
    };
    // Fewer columns may leave rows of one intensity, and the other way round.
    loop {
        let before = rows.len() + columns.len();
        while !rows.is_empty() && row(rows.start, &columns) {
            rows.start += 1;
        }
        while !rows.is_empty() && row(rows.end - 1, &columns) {
            rows.end -= 1;
        }
        while !columns.is_empty() && column(columns.start, &rows) {
            columns.start += 1;
        }
        while !columns.is_empty() && column(columns.end - 1, &rows) {
            columns.end -= 1;
        }
        if rows.is_empty() || columns.is_empty() || rows.len() * columns.len() < FEWEST {
            return None;
        }
        if rows.len() + columns.len() == before {
            break;
        }
    }
    let size = [rows.len(), columns.len()];
    let inner = rows.flat_map(|row| &pixels[row * width..][columns.clone()]);
    let ranks = ranks(&inner.copied().collect::<Vec<_>>())?;
    let first = (0..8).min_by(|&a, &b| read(&ranks, size, a).cmp(read(&ranks, size, b)))?;
    let mut hasher = Hasher::new();
    hasher.update(&(size[usize::from(first < 4)] as u64).to_le_bytes());
    let bytes: Vec<u8> = read(&ranks, size, first).flat_map(u32::to_le_bytes).collect();
    let digest = hasher.update(&bytes).finalize();
    Some(u64::from_le_bytes(std::array::from_fn(|i| digest.as_bytes()[i])))
}

/// Each pixel's place among the intensities that occur, from the lowest; none if too few occur.
fn ranks(pixels: &[f32]) -> Option<Vec<u32>> {
    let mut levels = pixels.to_vec();
    levels.sort_unstable_by(f32::total_cmp);
    // Takes -0 and 0 for one.
    levels.dedup();
    let rank = |pixel: &f32| levels.partition_point(|level| level < pixel) as u32;
    (levels.len() >= FEWEST_LEVELS).then(|| pixels.iter().map(rank).collect())
}

/// The pixels of a slice from one of its corners: by rows with `order` 0 to 3, by columns with 4 to 7. The
/// lowest of these eight sequences is the same for every flip and turn of the slice.
fn read(ranks: &[u32], [rows, columns]: [usize; 2], order: usize) -> impl Iterator<Item = u32> {
    let by_rows = order < 4;
    let [outer, inner] = if by_rows { [rows, columns] } else { [columns, rows] };
    let turned =
        move |i: usize, count: usize, bit: usize| if order & bit == 0 { i } else { count - 1 - i };
    (0..outer).flat_map(move |i| {
        (0..inner).map(move |j| {
            let (i, j) = (turned(i, outer, 1), turned(j, inner, 2));
            let [row, column] = if by_rows { [i, j] } else { [j, i] };
            ranks[row * columns + column]
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slice of 12 x 10 pixels that differ, within a margin of `edge` on each side.
    fn padded(edge: usize, border: f32) -> Stack {
        let [rows, columns] = [12 + 2 * edge, 10 + 2 * edge];
        let mut voxels = vec![border; rows * columns];
        for (n, at) in (0..120).map(|n| (n, (edge + n / 10) * columns + edge + n % 10)) {
            voxels[at] = (n * 37 % 101) as f32;
        }
        Stack { voxels, phases: 1, slices: 1, rows, columns, spacing: [1.0; 3] }
    }

    #[test]
    fn a_slice_is_recognised_within_any_padding() {
        let plain = slices(&padded(0, 0.0));
        assert_eq!(plain.len(), 1);
        for (edge, border) in [(1, 0.0), (5, 0.0), (3, -1024.0), (2, 37.0)] {
            assert_eq!(slices(&padded(edge, border)), plain, "{edge} {border}");
        }
        let mut other = padded(0, 0.0);
        other.voxels[50] += 1.0;
        assert_ne!(slices(&other), plain);
    }

    #[test]
    fn a_slice_is_recognised_however_it_is_stored() {
        let plain = padded(0, 0.0);
        let stored = |rows: usize, columns: usize, at: &dyn Fn(usize, usize) -> usize| {
            let place = |n: usize| at(n / columns, n % columns);
            let voxels = (0..120).map(|n| plain.voxels[place(n)]).collect();
            slices(&Stack { voxels, rows, columns, ..plain.clone() })
        };
        let known = slices(&plain);
        assert_eq!(stored(12, 10, &|row, column| row * 10 + column), known);
        assert_eq!(stored(12, 10, &|row, column| (11 - row) * 10 + column), known);
        assert_eq!(stored(12, 10, &|row, column| row * 10 + 9 - column), known);
        assert_eq!(stored(12, 10, &|row, column| (11 - row) * 10 + 9 - column), known);
        assert_eq!(stored(10, 12, &|row, column| column * 10 + row), known);
        assert_eq!(stored(10, 12, &|row, column| (11 - column) * 10 + row), known);
        assert_eq!(stored(10, 12, &|row, column| column * 10 + 9 - row), known);
        assert_eq!(stored(10, 12, &|row, column| (11 - column) * 10 + 9 - row), known);
        assert_ne!(stored(10, 12, &|row, column| row * 12 + column), known, "other rows");
        assert_ne!(stored(12, 10, &|row, column| (row + 1) % 12 * 10 + column), known, "shifted");
        for (scale, shift) in [(2.0, 0.0), (1.0, 100.0), (1.0 / 101.0, -0.3), (3.7, 1e4)] {
            let voxels = plain.voxels.iter().map(|voxel| voxel * scale + shift).collect();
            assert_eq!(slices(&Stack { voxels, ..plain.clone() }), known, "{scale} {shift}");
        }
    }

    #[test]
    fn slices_with_little_in_them_identify_nobody() {
        let blank = |voxels: Vec<f32>| {
            slices(&Stack {
                voxels,
                phases: 1,
                slices: 1,
                rows: 20,
                columns: 20,
                spacing: [1.0; 3],
            })
        };
        assert!(blank(vec![7.0; 400]).is_empty());
        let mut spot = vec![0.0; 400];
        spot[210] = 9.0;
        assert!(blank(spot).is_empty());
        assert!(
            blank((0..400).map(|n| (n % 20) as f32).collect()).is_empty(),
            "every row the same"
        );
        let few = blank((0..400).map(|n| (n * n % 13) as f32).collect());
        assert!(few.is_empty(), "a mask");
    }
}
