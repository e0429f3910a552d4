//! One launch over many tensors: a table in device memory has their addresses, and every block works
//! on a chunk of one of them, so that large and small tensors balance.

use std::fmt;
use std::sync::Arc;

use tensor::Result;
use tensor::gpu::{Address, Gpu, In, Memory, Pointee, Source};

/// A chunk in CUDA.
pub(crate) const CHUNKS: Source =
    Source { path: "kernels/src/gpu/chunks.cuh", text: include_str!("chunks.cuh") };

/// A chunk in device memory, which `Row::chunks` writes.
pub(crate) struct Chunk;

impl Pointee for Chunk {
    const CUDA: &'static str = "Chunk";
}

/// Elements of a chunk: 32 for each thread of a block.
const CHUNK: usize = 1 << 13;

/// Tensors that belong together, such as a parameter, its momentum and its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where each begins; null beyond the last.
    pub parts: [Address; 3],
    /// Elements of each.
    pub count: usize,
    /// An operation's flag for these tensors, such as whether weight decay applies.
    pub mark: bool,
}

/// The addresses of the tensors of an update, for a single launch on a GPU. Reuse it from update to
/// update; it is rebuilt when an address changes. On the host it stays empty.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    element: usize,
    memory: Option<Memory>,
}

impl Table {
    /// The chunks of these tensors, whose elements have `element` bytes each, and how many they are.
    pub(crate) fn of(
        &mut self,
        gpu: &Arc<dyn Gpu>,
        rows: Vec<Row>,
        element: usize,
    ) -> Result<(In<'_, Chunk>, usize)> {
        let same = (&self.rows, self.element) == (&rows, element);
        let here = self.memory.as_ref().is_some_and(|memory| Arc::ptr_eq(memory.gpu(), gpu));
        if !(same && here) {
            let words: Vec<u64> =
                rows.iter().flat_map(|row| row.chunks(element)).flatten().collect();
            self.memory = Some(Memory::from_host(gpu, bytemuck::cast_slice(&words))?);
            (self.rows, self.element) = (rows, element);
        }
        let chunks = self.memory.as_ref().map_or(In::NULL, |memory| In::within(memory, 0));
        Ok((chunks, self.rows.iter().map(|row| row.count.div_ceil(CHUNK)).sum()))
    }
}

impl Row {
    /// As `Chunk` of `chunks.cuh`, word by word.
    fn chunks(&self, element: usize) -> impl Iterator<Item = [u64; 5]> + '_ {
        (0..self.count).step_by(CHUNK).map(move |first| {
            let part = |part: Address| match part {
                Address::NULL => 0,
                Address(begin) => begin + (first * element) as u64,
            };
            let [one, two, three] = self.parts.map(part);
            [one, two, three, CHUNK.min(self.count - first) as u64, u64::from(self.mark)]
        })
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table of {} rows", self.rows.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_is_cut_into_chunks_that_cover_it() {
        let row = Row {
            parts: [Address(256), Address(512), Address::NULL],
            count: 2 * CHUNK + 3,
            mark: true,
        };
        let chunks: Vec<_> = row.chunks(4).collect();
        let step = 4 * CHUNK as u64;
        assert_eq!(chunks[0], [256, 512, 0, CHUNK as u64, 1]);
        assert_eq!(chunks[1], [256 + step, 512 + step, 0, CHUNK as u64, 1]);
        assert_eq!(chunks[2], [256 + 2 * step, 512 + 2 * step, 0, 3, 1]);
        assert_eq!(Row { count: 0, ..row }.chunks(4).count(), 0);
    }
}
