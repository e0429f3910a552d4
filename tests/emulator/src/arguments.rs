//! Kernel arguments as the emulator keeps and passes them.

use std::ffi::CString;

use tensor::gpu::{Address, FieldType, KernelArguments, Program};

use crate::runtime::RawPointer;

/// The value of a kernel's arguments, and which of its words are pointers.
#[derive(Clone)]
pub struct Arguments {
    pub words: Vec<u64>,
    pointers: Vec<(CString, u64)>,
}

impl Arguments {
    /// Copies arguments, if the kernel takes them.
    pub fn checked(
        program: &Program,
        kernel: &str,
        arguments: &dyn KernelArguments,
    ) -> Result<Self, String> {
        let layout = arguments.layout();
        program.check_arguments(kernel, layout)?;
        let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
        let words: Vec<u64> = arguments.bytes().chunks_exact(8).map(word).collect();
        let mut pointers = Vec::new();
        layout.each_word(&mut |name, kind, offset| {
            if let FieldType::Pointer { .. } = kind {
                pointers.push((CString::new(name).unwrap_or_default(), words[offset / 8]));
            }
        });
        Ok(Arguments { words, pointers })
    }

    /// Where pointers lead that are not null.
    pub fn addresses(&self) -> impl Iterator<Item = Address> + '_ {
        self.pointers
            .iter()
            .filter(|(_, address)| *address != 0)
            .map(|(_, address)| Address(*address))
    }

    /// Pointers as the runtime takes them, valid as long as `self`.
    pub fn raw_pointers(&self) -> Vec<RawPointer> {
        let raw = |(name, address): &(CString, u64)| RawPointer {
            name: name.as_ptr(),
            address: *address,
        };
        self.pointers.iter().map(raw).collect()
    }
}
