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

/// The fewest pixels by which a slice is recognised.
const FEWEST: usize = 64;

/// Digests of the slices of a stack that are recognised in another file, rising, each once.
///
/// Intensities are as the file stores them. Outer rows and columns of one intensity are left out,
/// so that a padded copy has the same digests; so are slices of which too little remains.
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
    let mut hasher = Hasher::new();
    hasher.update(&(columns.len() as u64).to_le_bytes());
    let mut line = Vec::with_capacity(4 * columns.len());
    for row in rows {
        line.clear();
        // The sum makes -0 and 0 one value.
        let pixels = &pixels[row * width..][columns.clone()];
        line.extend(pixels.iter().flat_map(|pixel| (pixel + 0.0).to_le_bytes()));
        hasher.update(&line);
    }
    let bytes = hasher.finalize();
    Some(u64::from_le_bytes(std::array::from_fn(|i| bytes.as_bytes()[i])))
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
    }
}
