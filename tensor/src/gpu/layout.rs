//! Layouts of kernel arguments: the macros that declare them in Rust, and their comparison with CUDA.

use std::fmt::{self, Write};

/// The type of a field of kernel arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// A pointer to elements of the type that CUDA calls `to`, const unless the kernel writes them.
    Pointer {
        /// What it points to.
        to: &'static str,
        /// Whether the kernel writes there.
        written: bool,
    },
    /// `long long`.
    Integer,
    /// An array of this number of `long long`.
    Integers(usize),
    /// `double`.
    Float,
    /// A struct.
    Struct(&'static Layout),
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldType::Pointer { to, written: false } => write!(f, "const {to}*"),
            FieldType::Pointer { to, written: true } => write!(f, "{to}*"),
            FieldType::Integer => f.write_str("long long"),
            FieldType::Integers(count) => write!(f, "long long[{count}]"),
            FieldType::Float => f.write_str("double"),
            FieldType::Struct(layout) => f.write_str(layout.name),
        }
    }
}

/// A field of kernel arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// Its name, the same in Rust and CUDA.
    pub name: &'static str,
    /// Its type.
    pub kind: FieldType,
    /// Bytes before it.
    pub offset: usize,
}

/// A struct of kernel arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Its name, the same in Rust and CUDA.
    pub name: &'static str,
    /// Its size in bytes.
    pub size: usize,
    /// Its fields, in order.
    pub fields: &'static [Field],
}

impl Layout {
    /// Calls `visit` with the dotted name, type and offset of each pointer and number, those of nested
    /// structs included.
    pub fn each_word(&self, visit: &mut dyn FnMut(String, FieldType, usize)) {
        for &Field { name, kind, offset } in self.fields {
            match kind {
                FieldType::Struct(inner) => {
                    inner.each_word(&mut |inner_name, kind, inner_offset| {
                        visit(format!("{name}.{inner_name}"), kind, offset + inner_offset);
                    })
                }
                _ => visit(name.to_owned(), kind, offset),
            }
        }
    }

    /// Appends C++ that compiles only if the CUDA struct of this name has this layout.
    fn assert_same(&self, text: &mut String) {
        let Layout { name, size, fields } = self;
        let _ = writeln!(
            text,
            "static_assert(sizeof({name}) == {size}, \"{name} has {size} bytes in Rust\");"
        );
        for Field { name: field, kind, offset } in *fields {
            let _ = writeln!(
                text,
                "static_assert(shared_with_rust::same<decltype({name}::{field}), {kind}>::value && \
                 OFFSET({name}, {field}, {offset}), \
                 \"{name}::{field} is {kind} at byte {offset} in Rust\");"
            );
            if let FieldType::Struct(inner) = kind {
                inner.assert_same(text);
            }
        }
    }
}

/// A kernel and the struct that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// The name of its function.
    pub name: &'static str,
    /// Its parameter.
    pub arguments: &'static Layout,
}

/// C++ that compiles only if each kernel takes the struct that it has in Rust.
pub(super) fn assertions(kernels: &[Kernel]) -> String {
    if kernels.is_empty() {
        return String::new();
    }
    let mut text = "#line 1 \"comparison with Rust\"\nnamespace shared_with_rust {\n\
        template <class A, class B> struct same { static constexpr bool value = false; };\n\
        template <class A> struct same<A, A> { static constexpr bool value = true; };\n}\n\
        // NVRTC has no offsetof; where kernels are compiled for the host, offsets are compared too.\n\
        #ifdef EMULATED\n\
        #define OFFSET(type, field, bytes) (__builtin_offsetof(type, field) == bytes)\n\
        #else\n\
        #define OFFSET(type, field, bytes) true\n\
        #endif\n"
        .to_owned();
    for Kernel { name, arguments } in kernels {
        arguments.assert_same(&mut text);
        let _ = writeln!(
            text,
            "static_assert(shared_with_rust::same<decltype(&{name}), void (*)({})>::value, \
             \"{name} takes {} in Rust\");",
            arguments.name, arguments.name
        );
    }
    text
}

/// Declares a struct that Rust and CUDA share, as a part of kernel arguments.
///
/// ```
/// tensor::kernel_struct! {
///     /// A matrix, row by row.
///     struct Matrix<'a> {
///         values: tensor::gpu::In<'a, tensor::gpu::Real>,
///         rows: usize,
///         columns: usize,
///     }
/// }
/// ```
#[macro_export]
macro_rules! kernel_struct {
    (
        $(#[$about:meta])*
        $visible:vis struct $Name:ident$(<$life:lifetime>)? {
            $($(#[$about_field:meta])* $visible_field:vis $field:ident: $type:ty),* $(,)?
        }
    ) => {
        $(#[$about])*
        #[repr(C)]
        #[derive(Debug)]
        $visible struct $Name$(<$life>)? {
            $($(#[$about_field])* $visible_field $field: $type),*
        }

        impl$(<$life>)? $Name$(<$life>)? {
            /// What CUDA must have.
            $visible const LAYOUT: &'static $crate::gpu::Layout = &$crate::gpu::Layout {
                name: ::std::stringify!($Name),
                size: {
                    $(::std::assert!(
                        ::std::mem::size_of::<$type>() % 8 == 0 && ::std::mem::align_of::<$type>() == 8,
                        "fields are whole words of 8 bytes"
                    );)*
                    ::std::mem::size_of::<Self>()
                },
                fields: &[$($crate::gpu::Field {
                    name: ::std::stringify!($field),
                    kind: <$type as $crate::gpu::KernelField>::TYPE,
                    offset: ::std::mem::offset_of!(Self, $field),
                }),*],
            };
        }

        // SAFETY: fields of whole words follow one another without a gap; the layout is theirs.
        unsafe impl$(<$life>)? $crate::gpu::KernelField for $Name$(<$life>)? {
            const TYPE: $crate::gpu::FieldType = $crate::gpu::FieldType::Struct(Self::LAYOUT);
        }
    };
}

/// Declares a struct that a kernel takes, where [`kernels!`](crate::kernels) does not: its kernels are
/// then listed by hand.
#[macro_export]
macro_rules! kernel_arguments {
    (
        $(#[$about:meta])*
        $visible:vis struct $Name:ident<$life:lifetime> { $($fields:tt)* }
    ) => {
        $crate::kernel_struct! {
            $(#[$about])*
            $visible struct $Name<$life> { $($fields)* }
        }

        // SAFETY: fields of whole words follow one another without a gap, so that every byte has a
        // value.
        unsafe impl<$life> $crate::gpu::KernelArguments for $Name<$life> {
            fn layout(&self) -> &'static $crate::gpu::Layout {
                Self::LAYOUT
            }

            fn bytes(&self) -> &[u8] {
                let (start, size) = (::std::ptr::from_ref(self), ::std::mem::size_of::<Self>());
                // SAFETY: as above.
                unsafe { ::std::slice::from_raw_parts(start.cast(), size) }
            }
        }
    };
}

/// Declares the kernels of a CUDA source file, each with the struct that it takes.
///
/// ```
/// use tensor::gpu::{In, Out, Real};
///
/// tensor::kernels! {
///     /// The kernels of `scale.cu`.
///     const KERNELS;
///
///     scale => struct Scale<'a> {
///         x: In<'a, Real>,
///         y: Out<'a, Real>,
///         factor: f64,
///         count: usize,
///     }
/// }
/// assert_eq!(KERNELS[0].arguments.size, 32);
/// ```
#[macro_export]
macro_rules! kernels {
    (
        $(#[$about:meta])*
        $visible:vis const $KERNELS:ident;
        $(
            $(#[$about_kernel:meta])*
            $($kernel:ident),+ => struct $Name:ident<$life:lifetime> {
                $($fields:tt)*
            }
        )+
    ) => {
        $(#[$about])*
        $visible const $KERNELS: &[$crate::gpu::Kernel] = &[$($(
            $crate::gpu::Kernel {
                name: ::std::stringify!($kernel),
                arguments: $Name::LAYOUT,
            },
        )+)+];

        $(
            $crate::kernel_arguments! {
                $(#[$about_kernel])*
                $visible struct $Name<$life> { $($fields)* }
            }
        )+
    };
}
