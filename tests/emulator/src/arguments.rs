//! Kernel arguments as the emulator keeps and passes them.

use std::ffi::CString;

use tensor::gpu::{Address, Argument, FieldType, Given, KernelArguments, Program};

use crate::runtime::{RawKernel, RawPointer};

/// The value of a kernel's arguments, and which of its words are pointers.
#[derive(Clone)]
pub struct Arguments {
    pub words: Vec<u64>,
    pointers: Vec<(CString, u64)>,
}

impl Arguments {
    /// Copies arguments, once they have been found to be what the kernel takes.
    pub fn checked(
        program: &Program,
        kernel: &str,
        raw: &RawKernel,
        arguments: &dyn KernelArguments,
    ) -> Result<Self, String> {
        match arguments.given() {
            Given::Struct { layout, bytes } => {
                program.check_arguments(kernel, layout)?;
                let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
                let words: Vec<u64> = bytes.chunks_exact(8).map(word).collect();
                let mut pointers = Vec::new();
                layout.each_word(&mut |name, kind, offset| {
                    if let FieldType::Pointer { .. } = kind {
                        pointers.push((CString::new(name).unwrap_or_default(), words[offset / 8]));
                    }
                });
                Ok(Arguments { words, pointers })
            }
            Given::Positional(arguments) => {
                check_kinds(kernel, raw, arguments)?;
                let words = arguments.iter().map(word).collect();
                let pointer = |(name, argument): (&std::ffi::CStr, &Argument)| match argument {
                    Argument::Address(address) => Some((name.to_owned(), address.0)),
                    _ => None,
                };
                let pointers = raw.names().into_iter().zip(arguments).filter_map(pointer).collect();
                Ok(Arguments { words, pointers })
            }
        }
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

/// Refuses positional arguments that are not what the kernel takes.
fn check_kinds(kernel: &str, raw: &RawKernel, arguments: &[Argument]) -> Result<(), String> {
    let kinds = raw.kinds();
    if kinds.len() != arguments.len() {
        return Err(format!("{kernel}: takes {} arguments, not {}", kinds.len(), arguments.len()));
    }
    for (index, (kind, argument)) in kinds.iter().zip(arguments).enumerate() {
        let wanted = match kind {
            b'p' => "a pointer",
            b'i' => "long long",
            b'n' => "double",
            _ => "a struct",
        };
        let given = match argument {
            Argument::Address(_) => "a pointer",
            Argument::Integer(_) => "long long",
            Argument::Number(_) => "double",
        };
        if wanted != given {
            return Err(format!("{kernel}: argument {} is {wanted}, not {given}", index + 1));
        }
    }
    Ok(())
}

/// An argument as it is passed.
fn word(argument: &Argument) -> u64 {
    match *argument {
        Argument::Address(address) => address.0,
        Argument::Integer(integer) => integer.cast_unsigned(),
        Argument::Number(number) => number.to_bits(),
    }
}
